import { expect, it } from 'vitest';
import { RedisTestCluster } from './fixtures/redis-test-cluster.ts';

const EACH = 250;
const NODES = 4;
const BYTES_PER_CONNECTION = 60;
/** The delay in each direction: a round trip takes twice as long. */
const DELAY_MS = 250;

it('count and isOnline over a thousand connections take one round trip, or two for an absent user, and a list of ids two and 60 bytes for each, also with a frozen node', async ({
  onTestFailed,
}) => {
  await using cluster = await RedisTestCluster.start({
    nodes: NODES,
    links: true,
    backplane: { heartbeatIntervalMs: 20_000, nodeTimeoutMs: 120_000 },
    onTestFailed,
  });
  const crowds = await Promise.all(
    [1, 2, 3, 4].map((number) =>
      cluster.connectMany(
        number,
        Array.from({ length: EACH }, (_, i) => ({ user: `user ${i}` })),
      ),
    ),
  );
  const ids = crowds.flatMap((clients) => clients.map(({ id }) => id)).sort();
  await cluster.untilCounted(NODES * EACH); // from now on every node knows every lease
  const [link] = cluster.links;
  if (!link) throw new Error('node-1 has a link.');
  const list = async (): Promise<{ readonly ids: readonly string[]; readonly bytes: number }> => {
    const before = link.bytesUp + link.bytesDown;
    const { items } = await cluster
      .node(1)
      .ask<{ items: { connectionId: string }[] }>('presence.connections', [{ all: true }, { select: ['connectionId'], limit: 2000 }]);
    return { ids: items.map(({ connectionId }) => connectionId).sort(), bytes: link.bytesUp + link.bytesDown - before };
  };
  /** Measures up to three times until at most `atMost` round trips were needed, because a busy machine adds time. */
  const roundTrips = async <T>(atMost: number, ask: () => Promise<T>): Promise<{ readonly value: T; readonly trips: number }> => {
    let fewest = Number.POSITIVE_INFINITY;
    for (let times = 1; ; times++) {
      const askedAt = performance.now();
      const value = await ask();
      fewest = Math.min(fewest, Math.floor((performance.now() - askedAt) / (2 * DELAY_MS)));
      if (fewest <= atMost || times === 3) return { value, trips: fewest };
    }
  };

  for (const isFrozen of [false, true]) {
    if (isFrozen) cluster.node(4).freeze();
    const listed = await list();
    expect(listed.ids).toEqual(ids);
    expect(listed.bytes).toBeGreaterThan(22 * ids.length); // the answer went through the proxy
    expect(listed.bytes).toBeLessThanOrEqual(BYTES_PER_CONNECTION * ids.length);

    link.delay(DELAY_MS);
    const answers = {
      count: await roundTrips(1, () => cluster.count(1)),
      ofOne: await roundTrips(1, () => cluster.count(1, { user: 'user 7' })),
      present: await roundTrips(1, () => cluster.isOnline(1, 'user 249')),
      absent: await roundTrips(2, () => cluster.isOnline(1, 'user 250')),
      ids: await roundTrips(2, async () => (await list()).ids.length),
    };
    link.delay(0);
    expect(answers).toEqual({
      count: { value: { value: NODES * EACH, complete: true, missingNodes: [] }, trips: 1 },
      ofOne: { value: { value: NODES, complete: true, missingNodes: [] }, trips: 1 },
      present: { value: true, trips: 1 },
      absent: { value: false, trips: 2 },
      ids: { value: NODES * EACH, trips: 2 },
    });
  }
}, 120_000);
