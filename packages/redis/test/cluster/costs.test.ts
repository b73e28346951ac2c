import { expect, it } from 'vitest';
import { World } from './kit/world.ts';

const EACH = 250;
const NODES = 4;
const BYTES_PER_CONNECTION = 60;
/** Each way, so that what takes one round trip takes twice that, and what takes two cannot. */
const DELAY_MS = 250;

it('of a thousand connections: ids at 60 bytes each, count and isOnline in one round trip, of nobody in two, with a frozen node too', async ({
  onTestFailed,
}) => {
  await using world = await World.start({
    nodes: NODES,
    links: true,
    backplane: { heartbeatIntervalMs: 20_000, nodeTimeoutMs: 120_000 },
    onTestFailed,
  });
  const crowds = await Promise.all(
    [1, 2, 3, 4].map((number) =>
      world.crowd(
        number,
        Array.from({ length: EACH }, (_, i) => ({ user: `user ${i}` })),
      ),
    ),
  );
  const ids = crowds.flatMap((clients) => clients.map(({ id }) => id)).sort();
  await world.counted(NODES * EACH); // from now on everybody knows every lease
  const [link] = world.links;
  if (!link) throw new Error('node-1 has a link.');
  const list = async (): Promise<{ readonly ids: readonly string[]; readonly bytes: number }> => {
    const before = link.bytesUp + link.bytesDown;
    const { items } = await world
      .node(1)
      .ask<{ items: { connectionId: string }[] }>('presence.connections', [{ all: true }, { select: ['connectionId'], limit: 2000 }]);
    return { ids: items.map(({ connectionId }) => connectionId).sort(), bytes: link.bytesUp + link.bytesDown - before };
  };
  /** The fewest of three, where it takes more than it should: what a busy machine takes comes on top. */
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
    if (isFrozen) world.node(4).freeze();
    const listed = await list();
    expect(listed.ids).toEqual(ids);
    expect(listed.bytes).toBeGreaterThan(22 * ids.length); // it went this way
    expect(listed.bytes).toBeLessThanOrEqual(BYTES_PER_CONNECTION * ids.length);

    link.delay(DELAY_MS);
    const answers = {
      count: await roundTrips(1, () => world.count(1)),
      ofOne: await roundTrips(1, () => world.count(1, { user: 'user 7' })),
      here: await roundTrips(1, () => world.isOnline(1, 'user 249')),
      nobody: await roundTrips(2, () => world.isOnline(1, 'user 250')),
      ids: await roundTrips(2, async () => (await list()).ids.length),
    };
    link.delay(0);
    expect(answers).toEqual({
      count: { value: { value: NODES * EACH, complete: true, missingNodes: [] }, trips: 1 },
      ofOne: { value: { value: NODES, complete: true, missingNodes: [] }, trips: 1 },
      here: { value: true, trips: 1 },
      nobody: { value: false, trips: 2 },
      ids: { value: NODES * EACH, trips: 2 },
    });
  }
}, 120_000);
