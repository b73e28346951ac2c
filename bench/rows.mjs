/**
 * The rows of the benchmark, as data. A row is a table: `subjects` are its lines, `columns` the figures that its `measure` returns. Its chart
 * shows the figure `charted`, by default the first one. A target compares a figure of Hubline with the one of the subject `to`, or with a
 * number: `atLeast` or `atMost`.
 */
import { query } from './measures/four-nodes.mjs';
import { calls, fanOut, groups, handshakes, memory, paced, receive, restart } from './measures/one-node.mjs';
import { flood, latency, outage } from './measures/two-nodes.mjs';

const SERVERS = ['hubline', 'ws', 'socket-io', 'dotnet', 'dotnet-server-gc'];
const CLUSTERS = ['hubline', 'socket-io', 'dotnet', 'dotnet-server-gc'];

const fanOutRow = (perTurn) => ({
  name: `fan-out-${perTurn}`,
  title: `Fan-out to RECEIVERS receivers, ${perTurn === 1 ? 'one message' : `${perTurn} messages`} a turn`,
  measure: fanOut,
  perTurn,
  subjects: [...SERVERS, 'floor'],
  base: { to: 'ws', figure: 'cpuUs' },
  columns: {
    cpuUs: 'server CPU, µs a delivery',
    perSecond: 'deliveries/s',
    perCpuSecond: 'deliveries per second of server CPU',
  },
  targets: [],
});

const callsRow = ({ connections, window, raw, targets = [] }) => ({
  name: `calls-${connections}x${window}-${raw ? 'raw' : 'own'}`,
  title: `Calls: ${connections} client${connections > 1 ? 's' : ''}, ${window} in flight each, ${raw ? 'raw clients' : 'own clients'}`,
  measure: calls,
  connections,
  window,
  raw,
  subjects: raw ? SERVERS : ['hubline', 'microsoft-client', 'ws', 'socket-io', 'dotnet', 'dotnet-server-gc'],
  base: { to: 'ws', figure: 'cpuUs' },
  columns: {
    perSecond: 'calls/s',
    p50Ms: 'p50 ms',
    p99Ms: 'p99 ms',
    cpuUs: 'server CPU, µs a call',
    clientCpuUs: 'client CPU, µs a call',
    perCpuSecond: 'calls per second of server CPU',
  },
  targets,
});

const latencyRow = (receivers) => ({
  name: `latency-${receivers}`,
  title: `Two nodes, 100 messages a second, ${receivers} receiver${receivers > 1 ? 's' : ''} at each`,
  measure: latency,
  perSecond: 100,
  receivers,
  subjects: [...CLUSTERS, 'redis'],
  columns: {
    addedP50Ms: 'later at the other node: p50 ms',
    addedP99Ms: 'p99 ms',
    localP50Ms: 'from send to local receiver: p50 ms',
    localP99Ms: 'p99 ms',
    remoteP50Ms: 'to remote receiver: p50 ms',
    remoteP99Ms: 'p99 ms',
    cpuUs: 'CPU of both nodes, µs a message',
  },
  targets: [{ figure: 'addedP50Ms', to: 'redis', atMost: 1.3 }],
});

const outageRow = (seconds) => ({
  name: `redis-killed-${seconds}s`,
  title: `Two nodes, 100 messages a second, Redis killed for ${seconds} s`,
  measure: outage,
  perSecond: 100,
  downMs: seconds * 1000,
  subjects: ['hubline', 'socket-io', 'dotnet'],
  charted: 'remoteLost',
  columns: {
    sent: 'messages',
    remoteLost: 'remote: lost',
    remoteDoubled: 'doubled',
    remoteReordered: 'reordered',
    remoteLatestMs: 'latest, ms',
    localLost: 'local: lost',
    localLatestMs: 'latest, ms',
    rejected: 'rejected sends',
  },
  targets: [
    { figure: 'remoteLost', atMost: 0, isWorst: true },
    { figure: 'remoteDoubled', atMost: 0, isWorst: true },
    { figure: 'remoteReordered', atMost: 0, isWorst: true },
  ],
});

const QUERY_COLUMNS = {
  p50Ms: 'p50 ms',
  p99Ms: 'p99 ms',
  bytes: 'bytes a connection, at the asking node',
  redisBytes: 'out of Redis',
  cpuUs: 'CPU of the asking node, µs a connection',
};

const queryRow = ({ name, title, what, targets = [] }) => ({
  name,
  title: `${title}, four nodes with PER_NODE connections each`,
  measure: query,
  what,
  subjects: ['hubline', 'socket-io'],
  columns: QUERY_COLUMNS,
  targets,
});

const HANDSHAKE = {
  measure: handshakes,
  subjects: SERVERS,
  base: { to: 'ws', figure: 'cpuUs' },
  columns: {
    cpuUs: 'server CPU, µs a handshake',
    perSecond: 'handshakes/s',
    p99Ms: 'p99 ms',
    perCpuSecond: 'handshakes per second of server CPU',
  },
};

const MEMORY = {
  measure: memory,
  subjects: SERVERS,
  base: { to: 'ws', figure: 'heapKiB' },
  columns: { heapKiB: 'heap, KiB a connection', rssKiB: 'RSS, KiB a connection' },
};

export const ROWS = [
  callsRow({
    connections: 1,
    window: 64,
    raw: false,
    targets: [
      { figure: 'perSecond', to: 'socket-io', atLeast: 1.5 },
      { figure: 'p99Ms', to: 'socket-io', atMost: 1 },
    ],
  }),
  callsRow({ connections: 100, window: 1, raw: false, targets: [{ figure: 'perSecond', to: 'socket-io', atLeast: 1.3 }] }),
  {
    name: 'receive-16',
    title: 'A client receives, 16 events a frame',
    measure: receive,
    subjects: ['hubline', 'microsoft-client'],
    columns: { perSecond: 'events/s', clientCpuUs: 'client CPU, µs an event' },
    targets: [{ figure: 'perSecond', to: 'microsoft-client', atLeast: 1.3 }],
  },
  latencyRow(1),
  latencyRow(200),
  queryRow({
    name: 'list',
    title: 'List of all with user and attributes',
    what: 'list',
    targets: [
      { figure: 'p50Ms', to: 'socket-io', atMost: 0.4 },
      { figure: 'bytes', atMost: 120 },
    ],
  }),
  queryRow({
    name: 'invoke-all',
    title: 'Call of all clients',
    what: 'invokeAll',
    targets: [{ figure: 'p50Ms', to: 'socket-io', atMost: 0.6 }],
  }),
  {
    ...HANDSHAKE,
    name: 'handshakes-members',
    title: 'Handshakes with a user, two groups and an attribute',
    isMember: true,
    targets: [{ figure: 'cpuUs', to: 'socket-io', atMost: 0.65 }],
  },
  {
    ...MEMORY,
    name: 'memory-members',
    title: 'Idle connections with a user, two groups and an attribute',
    isMember: true,
    targets: [
      { figure: 'heapKiB', to: 'socket-io', atMost: 0.7 },
      { figure: 'rssKiB', to: 'socket-io', atMost: 0.7 },
    ],
  },
  {
    name: 'restart',
    title: 'Restart of a server with RETURNING clients',
    measure: restart,
    subjects: ['hubline', 'socket-io', 'dotnet'],
    columns: {
      lastBackMs: 'last client back, ms',
      p50BackMs: 'half of them, ms',
      p99Ms: 'p99 of their first call, ms',
      closedMs: 'closed, ms',
    },
    targets: [{ figure: 'lastBackMs', to: 'socket-io', atMost: 0.6 }],
  },
  outageRow(3),
  outageRow(5),
  {
    name: 'flood',
    title: 'Two nodes, as many messages as possible to one remote receiver',
    measure: flood,
    perTurn: 16,
    subjects: CLUSTERS,
    columns: {
      perSecond: 'messages/s',
      cpuUs: 'CPU of both nodes, µs a message',
      sendingCpuUs: 'sending node',
      receivingCpuUs: 'receiving node',
      redisCpuUs: 'Redis',
      perCpuSecond: 'messages per second of CPU of both nodes',
    },
    targets: [],
  },
  fanOutRow(1),
  fanOutRow(16),
  {
    ...fanOutRow(16),
    name: 'groups',
    title: '1,000 groups with a tenth of RECEIVERS clients each, 16 messages a turn to scattered groups',
    measure: groups,
    subjects: SERVERS,
  },
  {
    name: 'fan-out-paced',
    title: 'Fan-out to RECEIVERS receivers, 50 messages a second',
    measure: paced,
    perSecond: 50,
    subjects: [...SERVERS, 'floor'],
    base: { to: 'ws', figure: 'cpuUs' },
    columns: {
      cpuUs: 'server CPU, µs a delivery',
      p50Ms: 'from send to receiver: p50 ms',
      p99Ms: 'p99 ms',
      perCpuSecond: 'deliveries per second of server CPU',
    },
    targets: [],
  },
  callsRow({ connections: 1, window: 64, raw: true }),
  callsRow({ connections: 100, window: 1, raw: true }),
  { ...HANDSHAKE, name: 'handshakes', title: 'Handshakes of anonymous clients', isMember: false, targets: [] },
  { ...MEMORY, name: 'memory', title: 'Idle connections of anonymous clients', isMember: false, targets: [] },
  queryRow({ name: 'list-ids', title: 'List of all ids', what: 'listIds' }),
  queryRow({ name: 'count', title: 'Count of all', what: 'count' }),
  {
    name: 'list-frozen',
    title: 'List of all ids while one of four nodes does not run',
    measure: query,
    what: 'listIds',
    isFrozen: true,
    subjects: ['hubline', 'socket-io'],
    columns: { tookMs: 'answered or failed after, ms', failures: 'failed queries' },
    targets: [{ figure: 'failures', atMost: 0, isWorst: true }],
  },
];

/**
 * The size of each repetition: a duration and a least number of deliveries or calls, because on a busy machine a process may need the whole
 * duration to start and to compile its code.
 */
export const SIZES = {
  smoke: {
    repetitions: 1,
    receivers: 50,
    warmUp: span(10, 100),
    measured: span(10, 1000),
    idle: [50, 100],
    handshakes: { warmUp: 50, measured: 100 },
    pace: { warmUpMs: 100, forMs: 300 },
    outage: { beforeMs: 200, afterMs: 3000, downShare: 0.1 },
    perNode: 10,
    times: 5,
    returning: 20,
  },
  quick: { ...defaults(), repetitions: 1 },
  default: defaults(),
  full: { ...defaults(), repetitions: 7, warmUp: span(1000, 50_000), measured: span(2000, 50_000) },
};

function defaults() {
  return {
    repetitions: 3,
    receivers: 1000,
    warmUp: span(300, 20_000),
    measured: span(700, 20_000),
    idle: [500, 2500],
    handshakes: { warmUp: 1000, measured: 2000 },
    pace: { warmUpMs: 1000, forMs: 3000 },
    outage: { beforeMs: 1500, afterMs: 5000, downShare: 1 },
    perNode: 250,
    times: 50,
    returning: 1000,
  };
}

function span(forMs, atLeast) {
  return { forMs, atLeast };
}
