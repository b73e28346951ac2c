import { random, until } from '@hubline/testing';
import { timeline } from '@hubline/testing/history';
import { expect, test as base } from '@hubline/testing/playwright';
import { titleOf } from './axes.ts';
import { Clusters } from './clusters.ts';
import { matrix } from './contract.ts';
import { causeFault } from './faults.ts';
import { mutationOf } from './mutations.ts';
import { cellsOf, type Options } from './options.ts';
import { SCENARIOS } from './scenarios.ts';
import { Stage } from './stage.ts';

const options = JSON.parse(process.env.HUBLINE_E2E ?? '{}') as Options;

/** The turns of load before the fault and after it. */
const TURNS = 12;
/** The longest time of these turns, and of the last messages, in milliseconds. */
const TURNS_MS = 20_000;
const ARRIVED_MS = 10_000;

const test = base.extend<{ recovery: void }, { clusters: Clusters }>({
  clusters: [
    // Playwright reads the names of the fixtures from the pattern.
    async ({}, use) => {
      await using clusters = new Clusters(options.mutation === undefined ? undefined : mutationOf(options.mutation));
      await use(clusters);
    },
    { scope: 'worker', timeout: 60_000 },
  ],
  /** Set up before the pages and torn down after them: the cluster recovers from every fault without help. */
  recovery: [
    async ({ clusters }, use, { errors }) => {
      await use();
      if (errors.length === 0) await clusters.whole();
    },
    { auto: true },
  ],
});

for (const cell of cellsOf(options)) {
  const annotation = { type: 'cell', description: JSON.stringify(cell) };
  test(titleOf(cell), { annotation }, async ({ clusters, peers, history }, testInfo) => {
    const scenario = SCENARIOS[cell.scenario];
    const cluster = await clusters.for(cell);
    const opened = await peers(scenario.peers, {
      over: cluster,
      hub: matrix,
      query: (index) => ({ name: `peer-${index + 1}` }),
      transport: cell.transport,
      skipNegotiation: cell.balancer === 'round-robin' && cell.transport === 'WebSockets',
      events: ['said'],
      results: { confirm: true },
    });
    const stage = new Stage({ cell, cluster, peers: opened, history, chance: random(options.seed) });
    const failure = await errorOf(async () => {
      await scenario.prepare?.(stage);
      await underLoad(stage, scenario.load);
      await stage.connected();
      await scenario.finish(stage);
    });
    const { verdict, events } = await stage.verdict(failure ? 0 : ARRIVED_MS);
    const shown = verdict.first?.events ?? events.filter(({ type }) => type === 'fault' || type === 'healed');
    await testInfo.attach('timeline', { body: timeline(events, shown), contentType: 'text/plain' });
    // A broken promise may have made the scenario fail, so it is reported first.
    if (verdict.first) throw new Error(verdict.report, { cause: failure?.error });
    if (failure) throw failure.error;
    for (const type of scenario.needs) expect(verdict.recorded[type] ?? 0, `events of the type ${type}`).toBeGreaterThan(TURNS);
  });
}

/** Runs the load before, during and after the fault. */
async function underLoad(stage: Stage, load: (stage: Stage) => Promise<void>): Promise<void> {
  let failure: { readonly error: unknown } | undefined;
  const running = errorOf(() => load(stage)).then((error) => {
    failure = error;
  });
  const turns = async (): Promise<void> => {
    const before = stage.turns;
    await until(() => failure ?? stage.turns >= before + TURNS, { timeoutMs: TURNS_MS });
  };
  try {
    await turns();
    if (!failure) await causeFault(stage);
    await turns();
  } finally {
    stage.endLoad();
    await running;
  }
  if (failure) throw failure.error;
}

const errorOf = (run: () => Promise<void>): Promise<{ readonly error: unknown } | undefined> =>
  run().then(
    () => undefined,
    (error: unknown) => ({ error }),
  );
