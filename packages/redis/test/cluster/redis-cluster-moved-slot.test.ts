import { until } from '@hubline/testing';
import { startProxy, startRedisCluster } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { ClusterTraffic } from './fixtures/cluster-traffic.ts';

it('a node whose link recovers is subscribed in a moved slot that only another node uses', async () => {
  const servers = await startRedisCluster({ masters: 3, replicas: 0 });
  const proxies = await Promise.all(servers.nodes.map((node) => startProxy(node.url)));
  const natMap = Object.fromEntries(
    servers.nodes.map(({ port }, i) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: proxies[i]!.port }]),
  );
  try {
    await using traffic = await ClusterTraffic.startOn({ ann: { options: { natMap } } }, servers);
    const { ann, bob, topics } = traffic;
    // 3 is the first number that is hashed to a slot of its master, and 2 is not.
    await servers.moveSlot(Number(await servers.nodes[0]!.call('CLUSTER', 'KEYSLOT', '2')), await servers.masterOf('3'));
    await ann.publish('2', 'a message on a channel that only ann uses');
    for (const proxy of proxies) proxy.cut();
    await until(() => ann.happened('down'));
    await Promise.all(proxies.map((proxy) => proxy.heal()));
    await until(() => ann.happened('up'), { timeoutMs: 10_000 });
    const before = bob.received(topics[0]!).length;
    await until(() => bob.received(topics[0]!).length > before, { timeoutMs: 10_000 });
    await traffic.stop();
    await traffic.expectAllReceived();
    expect(ann.eventsAbout(bob)).not.toContain('lost: lease');
  } finally {
    await Promise.all(proxies.map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}, 60_000);
