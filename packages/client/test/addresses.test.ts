import { expect, it } from 'vitest';
import { offer, PlainServer } from './plain-server.ts';
import { World } from './world.ts';

it.each([
  ['/hub/', '/hub'],
  ['/hub//?a=1', '/hub?a=1'],
  ['/hub#part', '/hub'],
])('the address %s is normalised', async (path, expected) => {
  await using server = await PlainServer.start();
  const url = new URL(server.url).origin + path;
  await using world = await World.started({ url });
  expect(world.connection.state.name).toBe('connected');
  const [asked] = server.upgraded;
  const [negotiated] = server.negotiated;
  expect(negotiated!.url.pathname).toBe('/hub/negotiate');
  expect(asked!.url.pathname + asked!.url.search).toBe(`${expected}${expected.includes('?') ? '&' : '?'}id=token-0`);
});

it('ws and wss addresses are taken as http and https', async () => {
  await using server = await PlainServer.start();
  await using world = await World.started({ url: server.url.replace('http', 'ws') });
  expect(world.connection.state.name).toBe('connected');
});

it.each(['/hubs/chat', 'hubs/chat', 'ftp://host/hub', 'http://user:secret@host/hub', 'http://', '', 'http://host/hub?id=1'])(
  'the address "%s" is refused in Node and not retried',
  async (url) => {
    await using world = await World.open({ url, reconnect: { initial: true } });
    await expect(world.connection.start()).rejects.toMatchObject({ code: 'invalid_option', details: { option: 'url' } });
    expect(world.states).toEqual(['connecting', 'closed']);
  },
);

it('a query parameter of the user overrides the affinity', async () => {
  const affinity = { node: 'api-1', query: 'node' };
  await using world = await World.started({ path: '?node=mine', negotiates: (_, n) => offer(n, { affinity }) });
  expect(world.server.last.url.searchParams.getAll('node')).toEqual(['mine']);
});

it('token and headers are not sent to another origin, unless forwardCredentials is set', async () => {
  for (const forwardCredentials of [false, true]) {
    await using other = await PlainServer.start();
    await using _world = await World.started({
      forwardCredentials,
      accessToken: () => 'mine',
      headers: { 'x-key': 'secret' },
      negotiates: () => ({ url: other.url }),
    });
    for (const { headers } of [...other.negotiated, ...other.upgraded]) {
      expect([headers.authorization, headers['x-key']]).toEqual(forwardCredentials ? ['Bearer mine', 'secret'] : [undefined, undefined]);
    }
  }
});
