/** What is measured. A scenario is one table; its subjects are its rows, and the first with `base` is what ratios refer to. */
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

/** Repetitions, and what each takes. */
export const SIZES = {
  smoke: { repetitions: 1, receivers: 50, warmUpMs: 20, forMs: 30, idle: [50, 100] },
  quick: { repetitions: 1, receivers: 1000, warmUpMs: 200, forMs: 400, idle: [500, 1500] },
  default: { repetitions: 3, receivers: 1000, warmUpMs: 300, forMs: 700, idle: [500, 2500] },
  full: { repetitions: 7, receivers: 1000, warmUpMs: 1000, forMs: 2000, idle: [500, 5500] },
};
