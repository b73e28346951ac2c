/** Waits for the arrival of messages at the recordings of a process of clients. `messages` is the reply to `pace`. */
import { nowMs } from '../clock.mjs';
import { until } from '../until.mjs';

export async function allArrived(clients, names, { first, sentAt }) {
  await until(
    async () => {
      const counts = await Promise.all(names.map((name) => clients.request('arrived', { name, first, count: sentAt.length })));
      return counts.flat().every((count) => count === sentAt.length);
    },
    { what: 'The arrival of all messages' },
  );
}

/** Resolves when all messages have arrived, or none has for two seconds. */
export async function settled(clients, name, { first, sentAt }) {
  let before = { count: -1, atMs: 0 };
  await until(
    async () => {
      const [count] = await clients.request('arrived', { name, first, count: sentAt.length });
      if (count !== before.count) before = { count, atMs: nowMs() };
      return count === sentAt.length || nowMs() - before.atMs > 2000;
    },
    { what: 'The end of late arrivals' },
  );
}
