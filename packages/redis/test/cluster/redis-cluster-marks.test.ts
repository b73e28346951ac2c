import { startProxy, startRedisCluster } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { until } from '@hubline/testing';
import { Talk } from './talk.ts';

it('a node hears again for those who know of a slot that has moved, though nothing of its own was in it', async () => {
  const servers = await startRedisCluster({ masters: 3, replicas: 0 });
  const ways = await Promise.all(servers.nodes.map((node) => startProxy(node.url)));
  const natMap = Object.fromEntries(servers.nodes.map(({ port }, i) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: ways[i]!.port }]));
  try {
    await using talk = await Talk.between({ ann: { options: { natMap } } }, servers);
    const { ann, bob, topics } = talk;
    // 3 is the first number that is hashed to a slot of its master, and 2 is not.
    await servers.moveSlot(Number(await servers.nodes[0]!.call('CLUSTER', 'KEYSLOT', '2')), await servers.masterOf('3'));
    await ann.publish('2', 'which only ann says anything on');
    for (const way of ways) way.cut();
    await until(() => ann.happened('down'));
    await Promise.all(ways.map((way) => way.heal()));
    await until(() => ann.happened('up'), { timeoutMs: 10_000 });
    const before = bob.heard(topics[0]!).length;
    await until(() => bob.heard(topics[0]!).length > before, { timeoutMs: 10_000 });
    await talk.end();
    await talk.expectAllHeard();
    expect(ann.toldOf(bob)).not.toContain('lost: lease');
  } finally {
    await Promise.all(ways.map((way) => way[Symbol.asyncDispose]()));
  }
}, 60_000);
