/** The process of the clients. run.mjs starts it. */
import { clearInterval, setInterval } from 'node:timers';
import { handleRequests } from './child.mjs';
import { openCaller } from './clients/calls.mjs';
import { openAll } from './clients/open-all.mjs';
import { openRawCaller } from './clients/raw-calls.mjs';
import { openRaw } from './clients/raw.mjs';
import { openReceivers } from './clients/receivers.mjs';

/** The interval at which the number of deliveries is reported to the server: long enough not to affect the measurement. */
const REPORT_MS = 10;

let callers = [];

handleRequests({
  /** Opens idle connections. */
  hold: ({ kind, port, connections }) => openAll(connections, () => openRaw(kind, port)).then(() => undefined),

  async receive({ kind, port, receivers }) {
    let delivered = 0;
    let reported = 0;
    await openReceivers({ kind, port, receivers, count: (messages) => (delivered += messages) });
    setInterval(() => {
      if (reported !== delivered) process.send({ delivered: (reported = delivered) });
    }, REPORT_MS);
  },

  async openCallers({ kind, port, connections, window, raw }) {
    callers = await openAll(connections, (place) => (raw ? openRawCaller : openCaller)({ kind, port, window, place }));
  },

  async call({ forMs, atLeast }) {
    const startedAt = performance.now();
    const before = process.cpuUsage();
    const counts = callers.map(() => 0);
    const answered = () => counts.reduce((sum, count) => sum + count, 0);
    const over = new Promise((resolve) => {
      const clock = setInterval(() => {
        if (performance.now() - startedAt < forMs || answered() < atLeast) return;
        clearInterval(clock);
        resolve();
      }, REPORT_MS);
    });
    await Promise.all(callers.map((caller, i) => caller.run(over, (count) => (counts[i] += count))));
    const { user, system } = process.cpuUsage(before);
    return { count: answered(), clientCpuUs: user + system, ms: performance.now() - startedAt };
  },
});
