import { until } from '@hubline/testing';
import { faults, startRedisCluster, type RedisCluster } from '@hubline/testing/cluster';
import { Cluster } from 'ioredis';
import { expect, it } from 'vitest';

/** Opens a client with default options. */
function clientOf(cluster: RedisCluster): AsyncDisposable & { readonly client: Cluster } {
  const client = new Cluster(cluster.nodes.map(({ port }) => ({ host: '127.0.0.1', port })));
  client.on('error', () => undefined);
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}

it('startRedisCluster starts masters that own all slots, and replicas in sync', async ({ onTestFailed }) => {
  await using cluster = await startRedisCluster({ onTestFailed });
  expect(cluster.url).toBe(`redis://${cluster.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`);
  expect(await cluster.masters()).toEqual(cluster.nodes.slice(0, 3));
  for (const [index, master] of cluster.nodes.slice(0, 3).entries()) {
    expect(await cluster.replicasOf(master)).toEqual([cluster.nodes[index + 3]]);
  }
  await using link = clientOf(cluster);
  await Promise.all(Array.from({ length: 20 }, (_, index) => link.client.set(`key-${index}`, index)));
  expect(await cluster.keys()).toHaveLength(20);
  expect(await (await cluster.masterOf('key-7')).keys()).toContain('key-7');
  expect(await cluster.masterOf(0)).toBe(cluster.nodes[0]);
  expect(await cluster.masterOf(16_383)).toBe(cluster.nodes[2]);
  await cluster.flush();
  expect(await cluster.keys()).toEqual([]);
});

it('failover promotes a replica, and moveSlot moves a slot with its keys', async ({ onTestFailed }) => {
  await using cluster = await startRedisCluster({ onTestFailed });
  await using link = clientOf(cluster);
  await link.client.set('key', 'value');
  const master = await cluster.masterOf('key');
  const replica = await cluster.failover(master);
  expect(cluster.nodes.indexOf(replica)).toBeGreaterThan(2);
  expect(await cluster.masterOf('key')).toBe(replica);
  expect(await cluster.replicasOf(replica)).toEqual([master]);
  expect(await link.client.get('key')).toBe('value');

  const slot = Number(await replica.call('CLUSTER', 'KEYSLOT', 'key'));
  const other = (await cluster.masters()).find((node) => node !== replica);
  if (!other) throw new Error('Three masters.');
  await cluster.moveSlot(slot, other);
  expect(await cluster.masterOf(slot)).toBe(other);
  expect(await other.keys()).toEqual(['key']);
  expect(await replica.keys()).toEqual([]);
  expect(await link.client.get('key')).toBe('value');
  await expect(cluster.moveSlot(slot, other)).rejects.toThrow('is at');
});

it('a replica replaces a killed master, which returns as a replica', async ({ onTestFailed }) => {
  await using cluster = await startRedisCluster({ onTestFailed });
  const [master, , , replica] = cluster.nodes;
  if (!master || !replica) throw new Error('Six nodes.');
  const fault = faults.stopRedis(master);
  await fault.inflict();
  await cluster.ready();
  expect(await cluster.masterOf(0)).toBe(replica);
  await fault.heal();
  await cluster.ready();
  expect(await cluster.masterOf(0)).toBe(replica);
  await expect.poll(() => cluster.replicasOf(replica)).toEqual([master]);
});

it('a killed node starts empty and does not own a slot again that has moved', async ({ onTestFailed }) => {
  await using cluster = await startRedisCluster({ onTestFailed });
  const master = await cluster.masterOf('key');
  const slot = Number(await master.call('CLUSTER', 'KEYSLOT', 'key'));
  const [replica] = await cluster.replicasOf(master);
  const other = (await cluster.masters()).find((node) => node !== master);
  if (!replica || !other) throw new Error('Three masters, each with a replica.');
  await master.call('SET', 'key', 'value');
  await until(async () => (await replica.call('DBSIZE')) === 1);
  await replica.call('SAVE'); // writes the same file as a full synchronisation
  expect(await cluster.failover(master)).toBe(replica);
  await cluster.moveSlot(slot, other);
  await replica.stop();
  await replica.start();
  await cluster.ready();
  // A node that owned the slot would not accept the new owner.
  expect(await cluster.masterOf(slot)).toBe(other);
  const next = await cluster.failover(other);
  expect(await cluster.masterOf(slot)).toBe(next);
});

it('startRedisCluster rejects with the reason', async () => {
  const failure = startRedisCluster({ masters: 1, replicas: 0, args: ['--nonsense', '1'] });
  await expect(failure).rejects.toThrow(/redis-1 ended with code 1:.*Bad directive/s);
});
