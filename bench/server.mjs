/** The process whose CPU and memory are measured: `node server.mjs <name in servers/>`. run.mjs starts it. */
import { setImmediate } from 'node:timers';
import { handleRequests } from './child.mjs';
import { payload } from './payload.mjs';

/** The bytes that may be on their way to each receiver: enough to keep the server busy, too few to fill the sockets' buffers. */
const WINDOW_BYTES = 64 * 1024;

const { start } = await import(`./servers/${process.argv[2]}.mjs`);
const { port, broadcast } = await start();

let sent = 0;
let delivered = 0;
let wake = () => undefined;

handleRequests({ port: () => port, cpuUs, memory, fanOut }, (message) => {
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

/** Broadcasts for `forMs` and `atLeast` deliveries, `perTurn` messages in each turn of the event loop, and waits until all have arrived. */
async function fanOut({ receivers, perTurn, forMs, atLeast }) {
  const windowMessages = Math.max(perTurn, Math.floor(WINDOW_BYTES / 200));
  const before = { cpuUs: cpuUs(), atMs: performance.now(), sent };
  do {
    for (let i = 0; i < perTurn; i++) broadcast(payload(sent++));
    await new Promise((resolve) => setImmediate(resolve));
    await arrived((sent - windowMessages) * receivers);
  } while (performance.now() - before.atMs < forMs || (sent - before.sent) * receivers < atLeast);
  await arrived(sent * receivers);
  return { count: (sent - before.sent) * receivers, cpuUs: cpuUs() - before.cpuUs, ms: performance.now() - before.atMs };
}

async function arrived(count) {
  while (delivered < count) await new Promise((resolve) => (wake = resolve));
}
