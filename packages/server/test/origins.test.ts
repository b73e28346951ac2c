import { HublineError, unauthorized } from '@hubline/server';
import { expect, it } from 'vitest';
import { refusal, start } from './negotiate-world.ts';
import { RawClient, rawRequest, requestLines } from './raw-client.ts';

it('the preflight of an allowed origin is answered', async () => {
  await using world = await start({ origins: ['https://app.example'] });
  const response = await fetch(`${world.url}/negotiate`, {
    method: 'OPTIONS',
    headers: {
      origin: 'https://app.example',
      'access-control-request-method': 'POST',
      'access-control-request-headers': 'authorization,x-requested-with',
    },
  });
  expect(response.status).toBe(204);
  expect(Object.fromEntries(response.headers)).toMatchObject({
    'access-control-allow-origin': 'https://app.example',
    'access-control-allow-credentials': 'true',
    'access-control-allow-methods': 'GET, POST, DELETE',
    'access-control-allow-headers': 'authorization,x-requested-with',
    vary: 'origin',
  });
});

it('a promise from the function origins refuses the page, since its answer is not awaited', async () => {
  const origins = (async () => false) as unknown as () => boolean;
  await using world = await start({ origins });
  expect((await world.post('', { origin: 'https://evil.example' })).status).toBe(403);
});

it('an error of the function origins is answered with 500 without its text', async () => {
  const origins = () => {
    throw new HublineError('connection_gone', 'a secret', { connectionId: '' });
  };
  await using world = await start({ origins });
  const response = await world.post('', { origin: 'https://page.example' });
  expect([response.status, await response.text()]).toEqual([500, 'The server failed to answer.']);
  expect(world.errors).toMatchObject([['origins', { code: 'connection_gone' }]]);
});

it('a page of an allowed origin may read answers and refusals, with credentials', async () => {
  await using world = await start({
    origins: ['https://app.example'],
    authenticate: ({ token }) => {
      if (!token) throw unauthorized();
      return {};
    },
  });
  for (const token of ['t', '']) {
    const response = await world.post('', { origin: 'https://app.example', authorization: `Bearer ${token}` });
    expect(response.status).toBe(token ? 200 : 401);
    expect(response.headers.get('access-control-allow-origin')).toBe('https://app.example');
    expect(response.headers.get('access-control-allow-credentials')).toBe('true');
    expect(response.headers.get('access-control-expose-headers')).toBe('hubline-code, retry-after');
  }
});

it.each(['https://evil.example', 'null', 'not a url', 'http://127.0.0.1:1'])(
  'the origin "%s" is refused at negotiate and at an upgrade',
  async (origin) => {
    let asked = 0;
    await using world = await start({
      authenticate: () => {
        asked++;
        return {};
      },
    });
    const answer = await rawRequest(
      world.port,
      requestLines('POST', '/hub/negotiate', { host: `127.0.0.1:${world.port}`, origin, 'content-length': '0', connection: 'close' }),
    );
    expect(answer).toMatch(/^HTTP\/1.1 403 /);
    expect(answer.toLowerCase()).toContain('hubline-code: forbidden');
    expect(answer.toLowerCase()).not.toContain('access-control-allow-origin');
    expect(await refusal(world.port, '/hub', { origin })).toMatchObject({ status: 403 });
    expect(asked).toBe(0);
  },
);

it('the server accepts its own origin, a list of origins, a function, and all origins with "*"', async () => {
  await using own = await start();
  expect((await own.post('', { origin: `http://127.0.0.1:${own.port}` })).status).toBe(200);
  await using client = await RawClient.open(own.port, { origin: `http://127.0.0.1:${own.port}` });
  expect(client.records).toMatchObject([{ hubline: 1, maxMessageBytes: 32_768 }]);
  await using listed = await start({ origins: ['https://a.example/'] });
  expect((await listed.post('', { origin: 'https://a.example' })).status).toBe(200);
  expect((await listed.post('', { origin: 'https://a.example.evil' })).status).toBe(403);
  await using opaque = await start({ origins: ['null', 'capacitor://localhost'] });
  expect((await opaque.post('', { origin: 'null' })).status).toBe(200);
  expect((await opaque.post('', { origin: 'capacitor://localhost' })).status).toBe(200);
  expect((await opaque.post('', { origin: 'capacitor://other' })).status).toBe(403);
  await using chosen = await start({ origins: (origin, { url }) => origin.endsWith('.example') && url.searchParams.has('ok') });
  expect((await chosen.post('?ok', { origin: 'https://b.example' })).status).toBe(200);
  expect((await chosen.post('', { origin: 'https://b.example' })).status).toBe(403);
  await using all = await start({ origins: '*' });
  expect((await all.post('', { origin: 'null' })).status).toBe(200);
});

it('the same host over another scheme is another origin, also behind a proxy', async () => {
  await using plain = await start();
  expect((await plain.post('', { origin: `https://127.0.0.1:${plain.port}` })).status).toBe(403);
  expect(await refusal(plain.port, '/hub', { origin: 'https://localhost' })).toMatchObject({ status: 403 });
  await using proxied = await start({}, { trustProxy: true });
  const asked = { host: 'hubs.example', 'x-forwarded-proto': 'https' };
  for (const [origin, status] of [
    ['https://hubs.example', 200],
    ['http://hubs.example', 403],
    ['https://hubs.example:8443', 403],
  ] as const) {
    const lines = requestLines('POST', '/hub/negotiate', { ...asked, origin, 'content-length': '0', connection: 'close' });
    expect(await rawRequest(proxied.port, lines), origin).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  }
});

it('the first hundred refused origins are reported once each, with advice', async () => {
  await using world = await start();
  for (let i = 0; i < 2; i++) await world.post('', { origin: `https://127.0.0.1:${world.port}` });
  expect(world.errors).toEqual([['request', expect.objectContaining({ code: 'forbidden' }) as Error]]);
  expect(String(world.errors[0]?.[1])).toMatch(/its origin https:.*is neither http:.*`trustProxy`/);
  await Promise.all(Array.from({ length: 150 }, (_, i) => world.post('', { origin: `https://${i}.example` })));
  expect(world.errors).toHaveLength(100);
});

it('with "*" any page may connect, but without credentials and cookies of another origin', async () => {
  const seen: unknown[] = [];
  await using world = await start({
    origins: '*',
    authenticate: ({ cookies, headers }) => {
      seen.push([cookies['session'] ?? null, headers.cookie ?? null]);
      return {};
    },
  });
  const cookie = 'session=s3cret';
  const response = await world.post('', { origin: 'https://evil.example', cookie });
  expect(response.headers.get('access-control-allow-origin')).toBe('*');
  expect(response.headers.has('access-control-allow-credentials')).toBe(false);
  await using _page = await RawClient.open(world.port, { origin: 'https://evil.example', headers: { cookie } });
  await using _own = await RawClient.open(world.port, { origin: `http://127.0.0.1:${world.port}`, headers: { cookie } });
  await using _noBrowser = await RawClient.open(world.port, { headers: { cookie } });
  expect(seen).toEqual([
    [null, null],
    [null, null],
    ['s3cret', cookie],
    ['s3cret', cookie],
  ]);
});
