import { until } from '@hubline/testing';
import { faults, startCluster, startRedis } from '@hubline/testing/cluster';
import { startConformanceServer } from '@hubline/testing/conformance-server';
import { createHubServer } from '@hubline/server';
import { redisBackplane } from '@hubline/redis';
import { describe, expect, it } from 'vitest';
import { RawClient } from './fixtures/raw-client.ts';

const LONG_WAIT = { timeoutMs: 10_000 };
const TIMES = { heartbeatIntervalMs: 200, nodeTimeoutMs: 5000, redisTimeoutMs: 500 };

describe('a server that starts without Redis', () => {
  it('a server that starts without Redis serves its clients, reports one outage, and joins the cluster when Redis is available', async () => {
    await using redis = await startRedis();
    await redis.stop();
    const open = async (nodeId: string) => {
      const backplane = redisBackplane(redis.url, TIMES);
      const events: string[] = [];
      backplane.on('down', (cause) => events.push(`down: ${(cause as { readonly code?: string }).code}: ${cause.message}`));
      backplane.on('up', () => events.push('up'));
      backplane.on('gap', () => events.push('gap'));
      return { events, server: await startConformanceServer({ port: 0, nodeId, backplane }) };
    };
    const a = await open('a');
    await using serverA = a.server;
    const b = await open('b');
    await using serverB = b.server;
    const hub = serverA.hubs.get('testhub');
    if (!hub) throw new Error('The conformance server has a testhub.');
    await using ann = await RawClient.open(serverA, { user: 'ann' });
    await using bob = await RawClient.open(serverB, { user: 'bob' });
    await hub.groups.add(ann.id, 'g');
    const early = hub.clients.group('g').send.Message('early');
    await early;
    await until(() => ann.received.includes('early'), LONG_WAIT);
    expect(serverA.server.health()).toMatchObject({ status: 'degraded', backplane: 'down' });
    // The node knows no other node, so it does not claim that there are none.
    const unavailable = { code: 'backplane_unavailable', details: { local: 0 } };
    expect(await hub.presence.count()).toMatchObject({ value: 1, complete: false });
    expect(await hub.presence.connections()).toMatchObject({ items: [{ userId: 'ann' }], complete: false, missingNodes: [] });
    expect(await hub.presence.isOnline('ann')).toBe(true);
    await expect(hub.presence.isOnline('bob')).rejects.toMatchObject(unavailable);
    await expect(hub.presence.groupsOf(bob.id)).rejects.toMatchObject(unavailable);
    await expect(hub.groups.add(bob.id, 'g')).rejects.toMatchObject(unavailable);
    await expect(hub.disconnect({ user: 'bob' })).rejects.toMatchObject(unavailable);
    expect([a.events.length, b.events.length]).toEqual([1, 1]);

    await redis.start();
    await until(async () => (await hub.presence.count()).value === 2, LONG_WAIT);
    await early.confirmed;
    await hub.clients.all.send.Message('late').confirmed;
    await until(() => bob.received.includes('late'), LONG_WAIT);
    await until(() => serverB.server.health().status === 'ok', LONG_WAIT);
    expect(await serverB.hubs.get('testhub')?.presence.count({ group: 'g' })).toEqual({ value: 1, complete: true, missingNodes: [] });
    expect(serverA.server.health()).toMatchObject({ status: 'ok', backplane: 'up' });
    for (const { events } of [a, b]) expect(events).toEqual([expect.stringMatching(/^down: backplane_unavailable: .*ECONNREFUSED/), 'up']);
  });
});

describe('a server that must not start without Redis', () => {
  it('a server with startWithoutRedis false rejects the start with the reason, and can be closed', async () => {
    await using redis = await startRedis({ password: 'secret' });
    const refusal = async (url: string): Promise<string> => {
      const backplane = redisBackplane(url, { ...TIMES, startWithoutRedis: false });
      const server = createHubServer({ backplane });
      const results = await Promise.allSettled([server.listen(0, '127.0.0.1'), server.ready(), backplane.ready()]);
      await server.close();
      const reasons = results.map((result) =>
        result.status === 'rejected' ? (result.reason as { code: string; message: string }) : undefined,
      );
      expect(reasons.map((reason) => reason?.code)).toEqual(Array.from({ length: 3 }, () => 'backplane_unavailable'));
      return reasons[0]?.message ?? '';
    };
    expect(await refusal(redis.url.replace('secret', 'wrong'))).toMatch(/^Redis cannot be reached: .*(WRONGPASS|invalid)/);
    expect(await refusal(redis.url.replace('redis://:secret@', ''))).toMatch(/NOAUTH/);
    const paused = faults.pauseRedis(redis);
    await paused.inflict();
    expect(await refusal(redis.url)).toMatch(/(not answered .*|No connection to Redis) within 500 ms/);
    await paused.heal();
    await redis.stop();
    expect(await refusal(redis.url)).toMatch(/ECONNREFUSED/);
  });

  it('a server with startWithoutRedis false starts if Redis is available', async () => {
    await using redis = await startRedis();
    await using server = createHubServer({ backplane: redisBackplane(redis.url, { ...TIMES, startWithoutRedis: false }) });
    await server.listen(0, '127.0.0.1');
    expect(server.health().backplane).toBe('up');
  });

  it('a rejected listen ends the process of the server', async () => {
    await using redis = await startRedis();
    await redis.stop();
    const started = startCluster({
      nodes: 1,
      entry: new URL('./fixtures/sender-node.ts', import.meta.url),
      redis,
      args: ['--hubs', JSON.stringify({ senderHub: { ...TIMES, startWithoutRedis: false } })],
    });
    await expect(started).rejects.toThrow(/ended with code 1.*backplane_unavailable/s);
  });
});
