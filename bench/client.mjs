/** The process of the clients. sandbox.mjs starts it. */
import { clearInterval, setInterval } from 'node:timers';
import { handleRequests } from './child.mjs';
import { openCaller } from './clients/calls.mjs';
import { clientFrame } from './frames.mjs';
import { openAll } from './clients/open-all.mjs';
import { openRawCaller } from './clients/raw-calls.mjs';
import { openRaw } from './clients/raw.mjs';
import { openReceivers } from './clients/receivers.mjs';
import { added, record, recordChannel, summary } from './clients/recorder.mjs';
import { openReturning } from './clients/returning.mjs';
import { readEvents } from './clients/events.mjs';
import { WIRE_FORMATS } from './clients/wire-formats.mjs';
import { quantile } from './numbers.mjs';

/** The interval at which the number of deliveries is reported to the server: long enough not to affect the measurement. */
const REPORT_MS = 10;

let callers = [];
let returning;
const recordings = {};
let users = 0;

handleRequests({
  /** Opens idle connections. Returns the duration of each handshake in milliseconds. */
  async hold({ to, connections, isMember = false }) {
    const startedAt = performance.now();
    const ms = await openAll(connections, async () => {
      const openedAt = performance.now();
      const connection = await openRaw(to, isMember ? `user-${users++}` : undefined);
      const { answer } = WIRE_FORMATS[to.wire];
      connection.deliver = (bytes, start, end) => {
        const text = answer(bytes.latin1Slice(start, end));
        if (text !== undefined) connection.write(clientFrame(text));
      };
      return performance.now() - openedAt;
    });
    return { ms: performance.now() - startedAt, p99Ms: quantile(ms, 0.99) };
  },

  async receive({ to, receivers, isLate }) {
    let delivered = 0;
    let reported = 0;
    await openReceivers({ to, receivers, isLate, count: (messages) => (delivered += messages) });
    setInterval(() => {
      if (reported !== delivered) process.send({ delivered: (reported = delivered) });
    }, REPORT_MS);
  },

  async openCallers({ to, connections, window, raw }) {
    callers = await openAll(connections, (place) => (raw ? openRawCaller : openCaller)({ to, window, place }));
  },

  async call({ forMs, atLeast }) {
    const startedAt = performance.now();
    const before = process.cpuUsage();
    const durations = [];
    const over = new Promise((resolve) => {
      const clock = setInterval(() => {
        if (performance.now() - startedAt < forMs || durations.length < atLeast) return;
        clearInterval(clock);
        resolve();
      }, REPORT_MS);
    });
    await Promise.all(callers.map((caller) => caller.run(over, (ms) => durations.push(ms))));
    const { user, system } = process.cpuUsage(before);
    const ms = performance.now() - startedAt;
    return { count: durations.length, clientCpuUs: user + system, ms, p50Ms: quantile(durations, 0.5), p99Ms: quantile(durations, 0.99) };
  },

  readEvents,

  async record({ name, to, receivers }) {
    recordings[name] = await record(to, receivers);
  },

  async recordChannel({ name, port, channel }) {
    recordings[name] = await recordChannel(port, channel);
  },

  /** The number of messages of each receiver that arrived. */
  arrived: ({ name, ...messages }) => recordings[name].map((recording) => recording.arrived(messages)),

  summary: ({ name, ...messages }) => summary(recordings[name], messages),

  added: (messages) => added(recordings.local, recordings.remote, messages),

  async openReturning(options) {
    returning = await openReturning(options);
  },

  leave: () => returning.left(),

  back: () => returning.back(),
});
