/** The process of the clients, started by run.mjs. */
import { setInterval } from 'node:timers';
import { answering } from './ask.mjs';
import { openCaller } from './clients/calls.mjs';
import { openAll } from './clients/open-all.mjs';
import { openRawCaller } from './clients/raw-calls.mjs';
import { openRaw } from './clients/raw.mjs';
import { openReceivers } from './clients/receivers.mjs';

/** How often the server hears what has arrived: seldom enough to cost it nothing that shows. */
const NEWS_MS = 10;

let callers = [];

answering({
  /** Connections that do nothing. */
  hold: ({ kind, port, connections }) => openAll(connections, () => openRaw(kind, port)).then(() => undefined),

  async receive({ kind, port, receivers }) {
    let delivered = 0;
    let told = 0;
    await openReceivers({ kind, port, receivers, count: (messages) => (delivered += messages) });
    setInterval(() => {
      if (told !== delivered) process.send({ delivered: (told = delivered) });
    }, NEWS_MS);
  },

  async openCallers({ kind, port, connections, window, raw }) {
    callers = await openAll(connections, () => (raw ? openRawCaller : openCaller)({ kind, port, window }));
  },

  async call({ forMs }) {
    const startedAt = performance.now();
    const before = process.cpuUsage();
    const over = new Promise((resolve) => setTimeout(resolve, forMs));
    const answered = await Promise.all(callers.map((caller) => caller.run(over)));
    const { user, system } = process.cpuUsage(before);
    return { count: answered.reduce((sum, each) => sum + each, 0), clientCpuUs: user + system, ms: performance.now() - startedAt };
  },
});
