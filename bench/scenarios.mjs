/** The measurements. Each scenario is a table, and its subjects are the rows. */
export const NAMES = { hubline: 'Hubline', ws: 'ws', 'socket-io': 'Socket.IO', floor: 'floor: frames joined, one write' };

const fanOut = (perTurn) => ({
  name: `fan-out-${perTurn}`,
  title: `Fan-out to RECEIVERS receivers, ${perTurn === 1 ? 'one message' : `${perTurn} messages`} a turn`,
  measure: 'fanOut',
  unit: 'delivery',
  perTurn,
  subjects: ['hubline', 'ws', 'socket-io', 'floor'].map((kind) => ({ kind, label: NAMES[kind] })),
});

const calls = (connections, window, raw) => ({
  name: `calls-${connections}x${window}-${raw ? 'raw' : 'own'}`,
  title: `Calls: ${connections} client${connections > 1 ? 's' : ''}, ${window} in flight each, ${raw ? 'raw clients' : 'own clients'}`,
  measure: 'calls',
  unit: 'call',
  connections,
  window,
  raw,
  subjects: ['hubline', 'ws', 'socket-io'].map((kind) => ({ kind, label: NAMES[kind] })),
});

const memory = {
  name: 'memory',
  title: 'Idle connections',
  measure: 'memory',
  subjects: ['hubline', 'ws', 'socket-io'].map((kind) => ({ kind, label: NAMES[kind] })),
};

export const SCENARIOS = [
  fanOut(1),
  fanOut(16),
  calls(1, 64, true),
  calls(100, 1, true),
  calls(1, 64, false),
  calls(100, 1, false),
  memory,
];

/**
 * The number of repetitions, and the size of each: a duration and a least number of deliveries or calls, because on a busy machine a
 * process may need the whole duration to start and to compile its code.
 */
export const SIZES = {
  smoke: { repetitions: 1, receivers: 50, warmUp: span(10, 100), measured: span(10, 1000), idle: [50, 100] },
  quick: { repetitions: 1, receivers: 1000, warmUp: span(100, 10_000), measured: span(200, 10_000), idle: [500, 2500] },
  default: { repetitions: 3, receivers: 1000, warmUp: span(200, 20_000), measured: span(500, 10_000), idle: [500, 2500] },
  full: { repetitions: 7, receivers: 1000, warmUp: span(1000, 50_000), measured: span(2000, 50_000), idle: [500, 5500] },
};

function span(forMs, atLeast) {
  return { forMs, atLeast };
}
