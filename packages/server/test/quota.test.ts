import { defineHub } from '@hubline/protocol';
import { createHubServer, type HubServerOptions } from '@hubline/server';
import { describe, expect, it } from 'vitest';
import { addressKey } from '../src/connection/address.ts';
import { HttpClient } from './http-client.ts';
import { RawClient, rawRequest, upgradeLines } from './raw-client.ts';
import { TestClock } from './test-clock.ts';

const contract = defineHub<{ echo(value: unknown): Promise<unknown> }>('quota');

async function start(options: HubServerOptions = {}) {
  const clock = new TestClock();
  const server = createHubServer(options, clock);
  const errors: [stage: string, error: unknown][] = [];
  server.on('error', (...error) => errors.push(error));
  const gates: (() => void)[] = [];
  server.hub(contract, {
    path: '/hub',
    origins: ['https://app.example'],
    authenticate: async ({ token, url }) => {
      if (url.searchParams.has('slow')) await new Promise<void>((resolve) => gates.push(resolve));
      if (token === 'nobody') throw new Error('no');
      return token === undefined ? {} : { userId: token };
    },
    methods: { echo: async (_ctx, value) => value },
  });
  const port = await server.listen(0, '127.0.0.1');
  const url = `http://127.0.0.1:${port}/hub`;
  const negotiate = (headers: Record<string, string> = {}, query = '') =>
    fetch(`${url}/negotiate?negotiateVersion=1${query}`, { method: 'POST', headers });
  const statuses = async (count: number, headers: Record<string, string> = {}): Promise<number[]> => {
    const found: number[] = [];
    for (let i = 0; i < count; i++) found.push((await negotiate(headers)).status);
    return found;
  };
  return { server, clock, errors, gates, port, url, negotiate, statuses, [Symbol.asyncDispose]: () => server.close() };
}

it('a node with maxConnections connections refuses others with 503 until one ends', async () => {
  await using world = await start({ limits: { maxConnections: 2 } });
  const client = await RawClient.open(world.port);
  expect(await world.statuses(2)).toEqual([200, 503]);
  const refused = await world.negotiate({ origin: 'https://app.example' });
  expect([refused.headers.get('retry-after'), refused.headers.get('hubline-code')]).toEqual(['10', 'limit_exceeded']);
  expect(refused.headers.get('access-control-expose-headers')).toBe('hubline-code, retry-after');
  const answer = await rawRequest(world.port, upgradeLines('/hub'));
  expect(answer).toMatch(/^HTTP\/1.1 503 [^]*retry-after: 10\r\n/);
  await client[Symbol.asyncDispose]();
  await expect.poll(async () => (await world.negotiate()).status).toBe(200);
  expect(await world.statuses(1)).toEqual([503]);
  await world.clock.advance(20_000); // no client opened the negotiated connection
  expect(await world.statuses(3)).toEqual([200, 200, 503]);
});

it('connections without a socket count for maxConnectionsPerAddress', async () => {
  await using world = await start({ limits: { maxConnectionsPerAddress: 3 } });
  for (let i = 0; i < 3; i++) await HttpClient.polling(world.url);
  expect(world.server.health().connections).toBe(3);
  const refused = await world.negotiate();
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '30']);
});

it('addresses are those that trusted proxies report, and IPv6 addresses count by /64', async () => {
  await using world = await start({ trustProxy: true, limits: { maxConnectionsPerAddress: 2 } });
  const from = (address: string) => world.statuses(1, { 'x-forwarded-for': address });
  expect(await from('9.9.9.9, 1.2.3.4')).toEqual([200]);
  expect(await from('8.8.8.8, 1.2.3.4:5678')).toEqual([200]);
  expect(await from('7.7.7.7, ::ffff:1.2.3.4')).toEqual([429]);
  expect(await from('1.2.3.5')).toEqual([200]);
  expect(await from('2001:db8:1:2::1')).toEqual([200]);
  expect(await from('[2001:db8:1:2:ffff::9]:443')).toEqual([200]);
  expect(await from('2001:db8:1:2:3:4:5:6')).toEqual([429]);
  expect(await from('2001:db8:1:3::1')).toEqual([200]);
});

it('connections of a user count for maxConnectionsPerUser', async () => {
  await using world = await start({ limits: { maxConnectionsPerUser: 2 } });
  const [alice, bob] = [{ authorization: 'Bearer alice' }, { authorization: 'Bearer bob' }];
  expect(await world.statuses(3, alice)).toEqual([200, 200, 429]);
  expect(await world.statuses(1, bob)).toEqual([200]);
  expect(await world.statuses(3)).toEqual([200, 200, 200]); // connections without a user id are not limited
  await world.clock.advance(20_000);
  expect(await world.statuses(1, alice)).toEqual([200]);
});

it('maxHandshakesPerSecond limits new connections, and existing ones continue', async () => {
  await using world = await start({ limits: { maxHandshakesPerSecond: 5 } });
  const client = await HttpClient.polling(world.url);
  expect(await world.statuses(5)).toEqual([200, 200, 200, 200, 503]);
  expect((await fetch(`${world.url}?id=nobody`)).status).toBe(503); // an unknown id counts as a new connection
  expect((await client.post('{"type":6}\u001e')).status).toBe(200);
  await world.clock.advance(400);
  expect(await world.statuses(3)).toEqual([200, 200, 503]);
  await world.clock.advance(60_000);
  expect(await world.statuses(6)).toEqual([200, 200, 200, 200, 200, 503]);
});

it('maxHandshakesPerSecondPerAddress limits one address, and other addresses are accepted', async () => {
  await using world = await start({ trustProxy: true, limits: { maxHandshakesPerSecond: 6, maxHandshakesPerSecondPerAddress: 2 } });
  const [one, other] = [{ 'x-forwarded-for': '1.2.3.4' }, { 'x-forwarded-for': '1.2.3.5' }];
  const nobody = await fetch(`${world.url}?id=nobody`, { headers: one });
  expect(nobody.status).toBe(404); // an unknown id has no connection, but counts as a handshake
  expect(await world.statuses(3, one)).toEqual([200, 429, 429]);
  expect((await world.negotiate(one)).headers.get('retry-after')).toBe('1');
  expect(await world.statuses(2, other)).toEqual([200, 200]); // refused handshakes do not count for the limit of the node
  await world.clock.advance(1000);
  expect(await world.statuses(3, one)).toEqual([200, 200, 429]);
});

it('maxAuthentications limits the authentications that run at the same time', async () => {
  await using world = await start({ limits: { maxAuthentications: 2 } });
  const slow = [1, 2].map(() => world.negotiate({}, '&slow'));
  await expect.poll(() => world.gates.length).toBe(2);
  const refused = await world.negotiate();
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1']);
  world.gates.forEach((open) => open());
  expect((await Promise.all(slow)).map(({ status }) => status)).toEqual([200, 200]);
  expect(await world.statuses(1)).toEqual([200]);
});

it('maxAuthenticationsPerAddress limits one address, and other addresses are authenticated', async () => {
  await using world = await start({ trustProxy: true, limits: { maxAuthentications: 4, maxAuthenticationsPerAddress: 2 } });
  const [one, other] = [{ 'x-forwarded-for': '1.2.3.4' }, { 'x-forwarded-for': '1.2.3.5' }];
  const slow = [1, 2].map(() => world.negotiate(one, '&slow'));
  await expect.poll(() => world.gates.length).toBe(2);
  const refused = await world.negotiate(one);
  expect([refused.status, refused.headers.get('retry-after'), refused.headers.get('hubline-code')]).toEqual([429, '1', 'limit_exceeded']);
  expect(await world.statuses(1, other)).toEqual([200]);
  world.gates.forEach((open) => open());
  expect((await Promise.all(slow)).map(({ status }) => status)).toEqual([200, 200]);
  expect(await world.statuses(3, one)).toEqual([200, 200, 200]); // one after another
});

it('a failed authentication and an invalid upgrade free their quota', async () => {
  await using world = await start({ limits: { maxConnections: 1 } });
  for (let i = 0; i < 3; i++) {
    expect((await world.negotiate({ authorization: 'Bearer nobody' })).status).toBe(500);
    expect(await rawRequest(world.port, upgradeLines('/hub', { 'sec-websocket-key': 'bad' }))).toMatch(/^HTTP\/1.1 400 /);
    expect((await fetch(`${world.url}?id=nobody`)).status).toBe(404);
  }
  await using client = await RawClient.open(world.port);
  expect((await client.call('echo', 1)).result).toBe(1);
});

it('a limit that refuses connections is reported once a minute', async () => {
  await using world = await start({ limits: { maxConnections: 1 } });
  expect(await world.statuses(4)).toEqual([200, 503, 503, 503]);
  const error = expect.objectContaining({ code: 'limit_exceeded', details: { limit: 'maxConnections', max: 1 } }) as Error;
  expect(world.errors).toEqual([['limit', error]]);
  await world.clock.advance(61_000);
  expect(await world.statuses(2)).toEqual([200, 503]);
  expect(world.errors).toHaveLength(2);
});

describe('addressKey', () => {
  it.each([
    ['1.2.3.4', '1.2.3.4'],
    ['1.2.3.4:80', '1.2.3.4'],
    ['::ffff:1.2.3.4', '1.2.3.4'],
    ['::FFFF:102:304', '1.2.3.4'],
    ['2001:db8::1', '2001:db8:0:0::/64'],
    ['2001:0DB8:0000:0000:ffff::1', '2001:db8:0:0::/64'],
    ['[2001:db8::1]:443', '2001:db8:0:0::/64'],
    ['[2001:db8::1]', '2001:db8:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['64:ff9b::1.2.3.4', '64:ff9b:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['', ''],
    ['unknown', 'unknown'],
    ['x'.repeat(1000), 'x'.repeat(255)],
  ])('addressKey makes %j into %j', (address, key) => {
    expect(addressKey(address)).toBe(key);
  });
  it('addressKey makes an unknown address into one key', () => {
    expect(addressKey(undefined)).toBe('');
  });
});
