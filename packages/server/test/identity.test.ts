import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it } from 'vitest';
import { refusal, start, type Echo } from './negotiate-world.ts';
import { RawClient, rawRequest, upgradeLines } from './raw-client.ts';

it.each(['with', 'without'])('a connection gets no attribute or user that its client only claims, %s authenticate', async (way) => {
  const server = createHubServer();
  const hub = server.hub<Echo, Record<never, never>, { role: string }>(defineHub<Echo, Record<never, never>, { role: string }>('echo'), {
    path: '/hub',
    attributes: { role: 'indexed' },
    ...(way === 'with' ? { authenticate: () => ({ attributes: { role: 'connection' } }) } : {}),
    methods: { echo: async (_ctx, value) => value, whoAmI: async (ctx) => [ctx.connectionId, ctx.userId ?? null] },
  });
  try {
    const port = await server.listen(0, '127.0.0.1');
    const claims = new URLSearchParams({
      role: 'admin',
      'attr.role': 'admin',
      attributes: '{"role":"admin"}',
      user: 'root',
      userId: 'root',
    });
    await using client = await RawClient.open(port, {
      query: String(claims),
      headers: { role: 'admin', 'x-role': 'admin', 'x-user': 'root' },
    });
    expect(await client.call('whoAmI')).toMatchObject({ result: [expect.any(String), null] });
    expect((await hub.presence.connections()).items).toMatchObject([{ attributes: way === 'with' ? { role: 'connection' } : {} }]);
    expect(await hub.presence.count({ where: { role: 'admin' } })).toEqual({ value: 0, complete: true, missingNodes: [] });
  } finally {
    await server.close();
  }
});

it('a connection is refused to any user but the one who negotiated it', async () => {
  await using world = await start({ authenticate: ({ token }) => (token ? { userId: token } : {}) });
  const { connectionToken, connectionId } = await world.negotiate('?negotiateVersion=1', { authorization: 'Bearer alice' });
  expect(await refusal(world.port, `/hub?id=${connectionToken}`, { authorization: 'Bearer bob' })).toMatchObject({ status: 403 });
  expect(await refusal(world.port, `/hub?id=${connectionToken}`)).toMatchObject({ status: 403 });
  await using client = await RawClient.open(world.port, { query: `id=${connectionToken}`, headers: { authorization: 'Bearer alice' } });
  expect((await client.call('whoAmI')).result).toEqual([connectionId, 'alice']);
});

it('a promise from sameIdentity refuses the request, since its answer is not awaited', async () => {
  const sameIdentity = (async () => false) as unknown as () => boolean;
  await using world = await start({ authenticate: ({ token }) => (token ? { userId: token } : {}), sameIdentity });
  const { connectionToken } = await world.negotiate('?negotiateVersion=1', { authorization: 'Bearer alice' });
  expect(await refusal(world.port, `/hub?id=${connectionToken}`, { authorization: 'Bearer bob' })).toMatchObject({ status: 403 });
});

it.each([
  ['another value', 'b', 403],
  ['one attribute less', '', 403],
  ['the same', 'a', 101],
])('the default sameIdentity compares attributes too, since users may have no id: %s', async (_what, token, status) => {
  const server = createHubServer();
  const errors: unknown[] = [];
  server.on('error', (...error) => errors.push(error));
  server.hub<Echo, Record<never, never>, { tenant: string }>(defineHub<Echo, Record<never, never>, { tenant: string }>('echo'), {
    path: '/hub',
    attributes: { tenant: 'indexed' },
    authenticate: ({ token }) => (token ? { attributes: { tenant: token } } : {}),
    methods: { echo: async (_ctx, value) => value, whoAmI: async (ctx) => [ctx.connectionId, null] },
  });
  try {
    const port = await server.listen(0, '127.0.0.1');
    const headers = { authorization: 'Bearer a' };
    const negotiated = await fetch(`http://127.0.0.1:${port}/hub/negotiate?negotiateVersion=1`, { method: 'POST', headers });
    const { connectionToken } = (await negotiated.json()) as { connectionToken: string };
    for (let i = 0; i < 2 && status === 403; i++) {
      const later = await fetch(`http://127.0.0.1:${port}/hub?id=${connectionToken}`, { headers: { authorization: `Bearer ${token}` } });
      expect(later.status).toBe(403);
    }
    const lines = upgradeLines(`/hub?id=${connectionToken}`, { authorization: `Bearer ${token}` });
    expect(await rawRequest(port, lines, (answer) => answer.includes('101'))).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
    const expected = [['request', expect.objectContaining({ message: expect.stringContaining("attribute 'tenant'") as string }) as Error]];
    expect(errors).toEqual(status === 403 ? expected : []);
  } finally {
    await server.close();
  }
});

it('sameIdentity decides which later requests come from the same client', async () => {
  let runs = 0;
  const server = createHubServer();
  server.hub<Echo, Record<never, never>, { run: number }>(defineHub<Echo, Record<never, never>, { run: number }>('echo'), {
    path: '/hub',
    attributes: { run: 'plain' },
    authenticate: ({ token = '' }) => ({ userId: token, attributes: { run: runs++ } }),
    sameIdentity: (before, now) => before.userId === now.userId,
    methods: { echo: async (_ctx, value) => value, whoAmI: async (ctx) => [ctx.connectionId, ctx.userId ?? null] },
  });
  try {
    const port = await server.listen(0, '127.0.0.1');
    const headers = { authorization: 'Bearer a' };
    const negotiated = await fetch(`http://127.0.0.1:${port}/hub/negotiate?negotiateVersion=1`, { method: 'POST', headers });
    const { connectionToken } = (await negotiated.json()) as { connectionToken: string };
    const eve = await fetch(`http://127.0.0.1:${port}/hub?id=${connectionToken}`, { headers: { authorization: 'Bearer eve' } });
    expect(eve.status).toBe(403);
    await using client = await RawClient.open(port, { query: `id=${connectionToken}`, headers });
    expect((await client.call('whoAmI')).result).toMatchObject([expect.any(String), 'a']);
  } finally {
    await server.close();
  }
});
