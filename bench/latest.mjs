/**
 * `npm run build && node bench/latest.mjs`: what `with({ replaces })` costs where every client keeps up, as a ratio to sends without
 * it, and how late positions are at a client that takes 4 ms for each. The server is a process of its own.
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createHubConnection, defineHub } from '@hubline/client';
import { createHubServer } from '@hubline/server';

const contract = defineHub('latest');
const CROWD = 50;
const ROUNDS = 5;
const ROUND_MS = 3_000;
const BOARD = { cursors: 20, everyMs: 1000 / 30, takesMs: 4, lastsMs: 10_000 };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const median = (numbers) => numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)];

/** Sends a number of keyed positions at intervals, and answers with its CPU time. */
async function serve() {
  const server = createHubServer();
  const hub = server.hub(contract, { path: '/latest', methods: {} });
  process.on('message', async ({ keys, everyMs, lastsMs, isLatest }) => {
    const targets = Array.from({ length: keys }, (_, i) =>
      isLatest ? hub.clients.all.with({ replaces: `cursor ${i}` }) : hub.clients.all,
    );
    const before = process.cpuUsage();
    let sent = 0;
    for (let at = performance.now(), end = at + lastsMs; at < end; at += everyMs) {
      await sleep(Math.max(0, at - performance.now()));
      for (const target of targets) target.send.moved(sent++, Date.now());
    }
    const { user, system } = process.cpuUsage(before);
    process.send({ sent, cpuUs: user + system });
  });
  process.send({ port: await server.listen(0, '127.0.0.1') });
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
    async send(order) {
      server.send(order);
      return (await once(server, 'message'))[0];
    },
    stop: () => server.kill(),
  };
}

async function cost() {
  const server = await start();
  let heard = 0;
  let replaced = 0;
  const crowd = await Promise.all(Array.from({ length: CROWD }, () => connect(server.port, () => heard++)));
  const round = async (isLatest) => {
    heard = 0;
    const { sent, cpuUs } = await server.send({ keys: 1, everyMs: 10, lastsMs: ROUND_MS, isLatest });
    for (let before = -1; before !== heard; await sleep(300)) before = heard;
    replaced += isLatest ? sent * CROWD - heard : 0; // on a busy machine some clients are late
    return cpuUs / heard;
  };
  await round(false);
  const rounds = [];
  for (let i = 0; i < ROUNDS; i++) rounds.push([await round(false), await round(true)]);
  const ratios = rounds.map(([plain, latest]) => latest / plain).sort((a, b) => a - b);
  await Promise.all(crowd.map((connection) => connection.stop()));
  server.stop();
  const [plain, latest] = [0, 1].map((i) => median(rounds.map((each) => each[i])).toFixed(2));
  const [least, most] = [ratios[0], ratios.at(-1)].map((ratio) => ratio.toFixed(2));
  console.log(
    `cost where nobody is slow: ratio ${median(ratios).toFixed(2)} (${least}–${most}); µs of server CPU a delivery: ${plain}, with replaces ${latest}; replaced: ${replaced}`,
  );
}

async function lag(isLatest) {
  const server = await start();
  const lags = [];
  const reader = await connect(server.port, (_n, sentAt) => {
    for (const end = performance.now() + BOARD.takesMs; performance.now() < end;);
    lags.push(Date.now() - sentAt);
  });
  const { cursors, everyMs, lastsMs } = BOARD;
  const { sent } = await server.send({ keys: cursors, everyMs, lastsMs, isLatest });
  await reader.stop();
  server.stop();
  const late = lags.slice(-100);
  console.log(
    `${isLatest ? 'with' : 'without'} replaces: of ${sent} positions in ${lastsMs / 1000} s ${lags.length} taken; lag at the end ${median(late)} ms, most ${Math.max(...lags)} ms`,
  );
}

if (process.argv[2] === 'serve') await serve();
else {
  if (process.argv[2] !== 'lag') await cost();
  for (const isLatest of [false, true]) await lag(isLatest);
}
