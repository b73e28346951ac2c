/**
 * `npm run build && node bench/latest.mjs`: measures the cost of `with({ replaces })` if every client keeps up, as a ratio to sends without
 * it, and the lag of positions at a client that needs 4 ms for each. The server is a process of its own.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createHubConnection, defineHub } from '@hubline/client';
import { createHubServer } from '@hubline/server';

const contract = defineHub('latest');
const CROWD = 50;
const ROUNDS = 10;
const TURNS = 2_000;
const BOARD = { cursors: 20, everyMs: 1000 / 30, takesMs: 4, lastsMs: 10_000 };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

async function serve() {
  const server = createHubServer();
  const { clients } = server.hub(contract, { path: '/latest', methods: {} });
  process.on('message', async (request) => process.send(await (request.turns ? measure(clients, request) : move(clients, request))));
  process.send({ port: await server.listen(0, '127.0.0.1') });
}

/** Sends one event per turn, in random order with a key, without, and without again. Returns the CPU time of a delivery of each kind. */
async function measure(clients, { turns }) {
  const keyed = clients.all.with({ replaces: 'cursor' });
  const targets = { plain: clients.all, keyed, again: clients.all };
  const kinds = Object.keys(targets);
  const spent = Object.fromEntries(kinds.map((kind) => [kind, { cpuUs: 0, turns: 0 }]));
  for (let i = 0; i < turns; i++) {
    const kind = kinds[Math.floor(Math.random() * kinds.length)];
    const before = process.cpuUsage();
    targets[kind].send.moved(i, Date.now());
    await sleep(4); // the clients' Acks arrive meanwhile
    const { user, system } = process.cpuUsage(before);
    spent[kind].cpuUs += user + system;
    spent[kind].turns++;
  }
  return Object.fromEntries(kinds.map((kind) => [kind, spent[kind].cpuUs / spent[kind].turns / CROWD]));
}

/** Sends the positions of cursors at intervals. */
async function move(clients, { cursors, everyMs, lastsMs, isLatest }) {
  const targets = Array.from({ length: cursors }, (_, i) => (isLatest ? clients.all.with({ replaces: `cursor ${i}` }) : clients.all));
  let sent = 0;
  for (let at = performance.now(), end = at + lastsMs; at < end; at += everyMs) {
    await sleep(Math.max(0, at - performance.now()));
    for (const target of targets) target.send.moved(sent++, Date.now());
  }
  return { sent };
}

async function connect(port, moved) {
  const connection = createHubConnection(contract, `http://127.0.0.1:${port}/latest`, { receiver: { moved } });
  await connection.start();
  return connection;
}

async function start() {
  const server = fork(new URL(import.meta.url), ['serve']);
  const [{ port }] = await once(server, 'message');
  return {
    port,
    async send(request) {
      server.send(request);
      return (await once(server, 'message'))[0];
    },
    stop: () => server.kill(),
  };
}

async function cost() {
  const server = await start();
  const crowd = await Promise.all(Array.from({ length: CROWD }, () => connect(server.port, () => undefined)));
  const rounds = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push(await server.send({ turns: TURNS }));
  await Promise.all(crowd.map((connection) => connection.stop()));
  server.stop();
  const spread = (ratios) => {
    const sorted = ratios.toSorted((a, b) => a - b).map((ratio) => ratio.toFixed(2));
    return `${sorted[Math.floor(sorted.length / 2)]} (${sorted[0]}–${sorted.at(-1)})`;
  };
  console.log(`cost without slow clients: ${median(rounds.map(({ plain }) => plain)).toFixed(2)} µs of server CPU a delivery`);
  console.log(`with replaces to without: ratio ${spread(rounds.map(({ plain, keyed, again }) => (2 * keyed) / (plain + again)))}`);
  console.log(`without to without: ratio ${spread(rounds.map(({ plain, again }) => again / plain))}`);
}

async function lag(isLatest) {
  const server = await start();
  const lags = [];
  const reader = await connect(server.port, (_n, sentAt) => {
    for (const end = performance.now() + BOARD.takesMs; performance.now() < end;);
    lags.push(Date.now() - sentAt);
  });
  const { cursors, everyMs, lastsMs } = BOARD;
  const { sent } = await server.send({ cursors, everyMs, lastsMs, isLatest });
  await reader.stop();
  server.stop();
  const late = lags.slice(-100);
  console.log(
    `${isLatest ? 'with' : 'without'} replaces: of ${sent} positions in ${lastsMs / 1000} s ${lags.length} handled; lag at the end ${median(late)} ms, most ${Math.max(...lags)} ms`,
  );
}

if (process.argv[2] === 'serve') await serve();
else {
  if (process.argv[2] !== 'lag') await cost();
  for (const isLatest of [false, true]) await lag(isLatest);
}
