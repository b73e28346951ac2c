import { until } from '@hubline/testing';
import { checkHistory, type HistoryEvent, type Situation } from '@hubline/testing/history';
import { expect, it } from 'vitest';
import { RecordedCluster } from './fixtures/recorded-cluster.ts';
import { LONG_WAIT, RedisTestCluster } from './fixtures/redis-test-cluster.ts';

const backplane = { heartbeatIntervalMs: 250, nodeTimeoutMs: 2000 };
const count = (events: readonly HistoryEvent[], type: HistoryEvent['type']): number => events.filter((event) => event.type === type).length;

/** Removes, doubles or swaps receipts of a real history, and expects that the checker finds it. */
function expectFound(events: readonly HistoryEvent[], ...situations: Situation[]): void {
  const receipts = events.flatMap((event, at) => (event.type === 'received' && event.by === 'ann' ? [{ event, at }] : []));
  const [one, next] = receipts.slice(receipts.length / 2).filter(({ event }) => event.message.startsWith('node-1/'));
  if (!one || !next) throw new Error('The history has too few receipts.');
  const found = (changed: readonly HistoryEvent[]) => checkHistory(changed, situations).first?.kind;
  expect(found(events.toSpliced(one.at, 1))).toMatch(/^(?:lost|gap_not_reported)$/);
  expect(found(events.toSpliced(one.at, 0, one.event))).toBe('doubled');
  expect(found(events.with(one.at, next.event).with(next.at, one.event))).toBe('reordered');
  expect(found(events.filter((event) => event.type !== 'settled'))).toBe(count(events, 'called') > 0 ? 'call_not_settled' : undefined);
}

it('a recorded history keeps every promise when a node is killed', { timeout: 60_000 }, async ({ onTestFailed }) => {
  await using cluster = await RedisTestCluster.start({ nodes: 3, backplane, onTestFailed });
  const recorded = new RecordedCluster(cluster);
  const { history } = recorded;
  await recorded.connect('ann', 1);
  await recorded.connect('ben', 2, { onInvocation: () => undefined });
  await recorded.connect('eva', 3);
  recorded.send([1, 2, 3]);
  await until(() => count(history.events, 'received') > 100, LONG_WAIT);
  const call = recorded.invokeAll(1);
  await until(() => count(history.events, 'outcome') === 2, LONG_WAIT);
  history.record({ type: 'fault', name: 'kill node-2' });
  await cluster.node(2).kill();
  await call;
  await recorded.stop();
  await recorded.untilKept([1, 3], 'killed');
  expect(history.check('killed').recorded).toMatchObject({ called: 1, outcome: 3, settled: 1, disconnected: 1, ended: 1 });
  expectFound(history.events, 'killed');
});

it('a recorded history keeps every promise when Redis is restarted empty', { timeout: 60_000 }, async ({ onTestFailed }) => {
  await using cluster = await RedisTestCluster.start({ nodes: 3, backplane, onTestFailed });
  const recorded = new RecordedCluster(cluster);
  const { history } = recorded;
  for (const [i, name] of ['ann', 'ben', 'eva'].entries()) await recorded.connect(name, i + 1);
  recorded.send([1, 2]);
  await until(() => count(history.events, 'received') > 100, LONG_WAIT);
  history.record({ type: 'fault', name: 'stop Redis' });
  await cluster.redis.stop();
  await until(async () => (await cluster.events(1)).some(({ event }) => event === 'backplaneDown'), LONG_WAIT);
  await cluster.redis.start();
  history.record({ type: 'healed', name: 'start Redis, empty' });
  const before = count(history.events, 'received');
  await until(() => count(history.events, 'received') > before + 100, LONG_WAIT);
  await recorded.stop();
  await recorded.untilKept([1, 2, 3], 'outage');
  expectFound(history.events, 'outage');
});
