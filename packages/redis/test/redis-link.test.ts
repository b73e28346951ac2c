import { startRedis, type RedisServer } from '@hubline/testing/cluster';
import { LocalDouble } from '@hubline/testing/conformance';
import { Redis } from 'ioredis';
import { expect, it, vi } from 'vitest';
import { Keys } from '../src/keys.ts';
import { RedisLink } from '../src/redis-link.ts';
import { settingsFrom } from '../src/options.ts';
import { slotOf } from '../src/slots.ts';
import { SingleStore } from '../src/single-store.ts';
import type { Store, StoreObserver } from '../src/store.ts';
import { unavailable } from '../src/unavailable.ts';
import { encodeNode } from '../src/values.ts';

const keys = new Keys('hubline');
const [ann, bob] = ['ann', 'bob'].map((nodeId) => ({ nodeId, process: nodeId, app: 'test', accepts: true, startedAt: 0 }));

/** Links a node to one Redis whose slots a test makes unavailable. */
function linkTo(redis: RedisServer) {
  const observer = { down: vi.fn(), up: vi.fn(), gap: vi.fn(), stale: vi.fn(), joined: vi.fn(), lost: vi.fn(), report: vi.fn() };
  const settings = {
    ...settingsFrom({ host: '127.0.0.1', port: redis.port, heartbeatIntervalMs: 50, nodeTimeoutMs: 1000 }),
    onUnavailable: { bufferBytes: 1000, bufferMs: 200 },
  };
  const created: [StoreObserver, Store][] = [];
  const openStore = (each: StoreObserver): Store => {
    const single = new SingleStore({ clientFor: () => new Redis(settings.connection), timeoutMs: 1000 }, each);
    const store = Object.assign(single, { slotOf });
    created.push([each, store]);
    return store;
  };
  const link = new RedisLink({ self: ann!, local: new LocalDouble(), observer, settings, openStore });
  const [[store, real]] = created as [[StoreObserver, Store]];
  return { link, observer, store, real, [Symbol.asyncDispose]: () => link.close() };
}

it('messages that wait for an unsubscribed node are sent after bufferMs, also while another shard is unavailable', async () => {
  await using redis = await startRedis();
  await redis.call('HSET', keys.registry, 'bob.1', encodeNode(bob!));
  await redis.call('SET', keys.lease('bob.1'), '1'); // a lease without an expiry time, of a node that never subscribes
  await using node = linkTo(redis);
  const { link, store, observer } = node;
  await link.registered();
  await vi.waitFor(() => expect(observer.joined).toHaveBeenCalled());
  store.lost(unavailable('A master was killed.'), [slotOf(keys.channel('here'))]);
  store.ready();
  await vi.waitFor(() => expect(link.state).toBe('up'));
  const isSent = vi.fn();
  link.bus.publish('here', Buffer.from('for those who are there'), { mayWait: true }).then(isSent, isSent);
  store.lost(unavailable('And another one.'), [slotOf(keys.channel('elsewhere'))]);
  expect(link.state).toBe('down');
  await vi.waitFor(() => expect(isSent).toHaveBeenCalledWith(undefined), { timeout: 5000 });
  expect(link.state).toBe('down');
  expect(observer.report).toHaveBeenCalledWith('publish', expect.objectContaining({ message: expect.stringContaining('bob') as string }));
  expect(observer.lost).not.toHaveBeenCalled();
});

it('a lease without an expiry time is checked hardly more often than the others', async () => {
  await using redis = await startRedis();
  await redis.call('HSET', keys.registry, 'bob.1', encodeNode(bob!));
  await redis.call('SET', keys.lease('bob.1'), '1');
  await using node = linkTo(redis);
  const [reads, beats] = [vi.spyOn(node.real, 'read'), vi.spyOn(node.real, 'ping')];
  await node.link.registered();
  await vi.waitFor(() => expect(beats.mock.calls.length).toBeGreaterThan(20), { timeout: 10_000 });
  expect(reads.mock.calls.length).toBeLessThan(4 * beats.mock.calls.length);
});

it('a node that loses a shard while it enters does not subscribe there, and subscribes to other channels when slots move', async () => {
  await using redis = await startRedis();
  await using node = linkTo(redis);
  const { link, store, real } = node;
  await link.registered();
  await Promise.all(['lost', 'live'].map((channel) => link.bus.subscribe(channel, () => undefined).ready));
  const lose = (): void => store.lost(unavailable('A master was killed.'), [slotOf(keys.channel('lost'))]);
  lose();
  const run = vi.spyOn(real, 'run').mockImplementationOnce((commands) => {
    lose();
    return real.run(commands);
  });
  store.ready();
  await vi.waitFor(() => expect(run).toHaveBeenCalled());
  const subscribe = vi.spyOn(real, 'subscribe');
  store.moved(performance.now());
  await vi.waitFor(() => expect(subscribe.mock.calls.flat(2)).toContain(keys.channel('live')));
  expect(subscribe.mock.calls.flat(2)).not.toContain(keys.channel('lost'));
  expect(link.state).toBe('down');
});

it('a node whose slots move while it enters subscribes to its marker channels on their new masters', async () => {
  await using redis = await startRedis();
  await using node = linkTo(redis);
  const { link, store, real } = node;
  await link.registered();
  store.lost(unavailable('A master was killed.'), [slotOf(keys.channel('lost'))]);
  const run = vi.spyOn(real, 'run').mockImplementationOnce((commands) => {
    tags.mockReturnValue(['0', '1']); // another shard appears
    store.moved(performance.now());
    return real.run(commands);
  });
  const tags = vi.spyOn(real, 'tags');
  store.ready();
  await vi.waitFor(() => expect(link.state).toBe('up'));
  expect(run).toHaveBeenCalled();
  await vi.waitFor(async () => expect(await redis.call('PUBSUB', 'NUMSUB', keys.marker('ann', '1'))).toEqual([keys.marker('ann', '1'), 1]));
});
