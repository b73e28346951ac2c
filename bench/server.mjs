/** A server process that is measured: `node server.mjs <name in servers/> <options as JSON>`. sandbox.mjs starts it. */
import { setImmediate } from 'node:timers';
import { setTimeout as sleep } from 'node:timers/promises';
import { handleRequests } from './child.mjs';
import { nowMs } from './clock.mjs';
import { groupOf } from './groups.mjs';
import { payload } from './payload.mjs';

/** The bytes that may be on their way to each receiver: enough to keep the server busy, too few to fill the sockets' buffers. */
const WINDOW_BYTES = 64 * 1024;

const [name, options] = process.argv.slice(2);
const { start } = await import(`./servers/${name}.mjs`);
let server;
let sent = 0;
let delivered = 0;
let wake = () => undefined;

const handlers = {
  async listen({ port = 0 }) {
    server = await start({ ...JSON.parse(options), port });
    return { port: server.port, version: process.version };
  },
  cpuUs,
  memory,
  fanOut,
  pace,
  repeat,
  joined: () => server.joined(),
  close: () => server.close(),
};
handleRequests(handlers, (message) => {
  delivered = message.delivered;
  wake();
});

function cpuUs() {
  const { user, system } = process.cpuUsage();
  return user + system;
}

/** Returns the memory after a full collection. Needs --expose-gc. */
function memory() {
  globalThis.gc();
  globalThis.gc();
  const { rss, heapUsed, external } = process.memoryUsage();
  return { rss, heap: heapUsed + external };
}

/** Sends to all, or each message to one group, for `forMs` and `atLeast` deliveries, `perTurn` messages in each turn of the event loop, and waits until all have arrived. */
async function fanOut({
  isGrouped = false,
  receivers,
  perTurn,
  forMs,
  atLeast,
  windowMessages = Math.max(perTurn, Math.floor(WINDOW_BYTES / 200)),
}) {
  const before = { cpuUs: cpuUs(), atMs: performance.now(), sent };
  do {
    for (let i = 0; i < perTurn; i++) send(isGrouped);
    await new Promise((resolve) => setImmediate(resolve));
    await arrived((sent - windowMessages) * receivers);
  } while (performance.now() - before.atMs < forMs || (sent - before.sent) * receivers < atLeast);
  await arrived(sent * receivers);
  return { count: (sent - before.sent) * receivers, cpuUs: cpuUs() - before.cpuUs, ms: performance.now() - before.atMs };
}

function send(isGrouped) {
  const number = sent++;
  if (isGrouped) server.toGroup(groupOf(number), payload(number));
  else server.broadcast(payload(number));
}

async function arrived(count) {
  while (delivered < count) await new Promise((resolve) => (wake = resolve));
}

/** Broadcasts at a steady rate, without waiting for arrivals. Returns the number of the first message, and the instants of all. */
async function pace({ perSecond, forMs }) {
  const first = sent;
  const sentAt = [];
  const startedAt = nowMs();
  for (let i = 0; (i * 1000) / perSecond < forMs; i++) {
    const restMs = startedAt + (i * 1000) / perSecond - nowMs();
    if (restMs > 0) await sleep(restMs);
    sentAt.push(nowMs());
    server.broadcast(payload(sent++));
  }
  return { first, sentAt, rejected: server.rejected?.() ?? 0 };
}

/** Repeats a query, one at a time, and checks the number that it returns. The first failure ends it. */
async function repeat({ what, times, expected }) {
  const ms = [];
  for (let i = 0; i < times; i++) {
    const before = performance.now();
    try {
      const count = await server[what]();
      if (count !== expected) return { failed: `${count} instead of ${expected}`, ms };
    } catch (error) {
      return { failed: error.message, ms };
    }
    ms.push(performance.now() - before);
  }
  return { ms };
}
