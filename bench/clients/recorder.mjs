/** Records when each numbered payload arrives at each receiver. */
import { Redis } from 'ioredis';
import { nowMs } from '../clock.mjs';
import { quantile } from '../numbers.mjs';
import { FIRST } from '../payload.mjs';
import { openAll } from './open-all.mjs';
import { openRaw } from './raw.mjs';

const NUMBERS = /"seq":(\d{9})/g;

class Recording {
  /** The instant of the first arrival by number. */
  at = [];
  doubled = 0;
  reordered = 0;
  #highest = -1;

  take(text) {
    for (const [, digits] of text.matchAll(NUMBERS)) {
      const number = Number(digits) - FIRST;
      if (this.at[number] !== undefined) this.doubled++;
      else this.at[number] = nowMs();
      if (number < this.#highest) this.reordered++;
      this.#highest = Math.max(this.#highest, number);
    }
  }

  /** The number of messages that arrived, of `count` from number `first`. */
  arrived({ first, count }) {
    return this.at.slice(first, first + count).filter((each) => each !== undefined).length;
  }
}

/** Opens `receivers` raw connections. Returns their recordings. */
export function record(to, receivers) {
  return openAll(receivers, async () => {
    const recording = new Recording();
    const connection = await openRaw(to);
    connection.deliver = (bytes, start, end) => recording.take(bytes.latin1Slice(start, end));
    return recording;
  });
}

/** Subscribes to the channel of servers/redis.mjs. */
export async function recordChannel(port, channel) {
  const recording = new Recording();
  const subscriber = new Redis(port);
  subscriber.on('message', (_channel, text) => recording.take(text));
  await subscriber.subscribe(channel);
  return [recording];
}

/** Counts the lost, doubled and reordered messages among those sent at the instants `sentAt`. The first of them has the number `first`. */
export function summary(recordings, { first, sentAt }) {
  const delays = recordings.flatMap(({ at }) => sentAt.map((sent, i) => at[first + i] - sent).filter((ms) => !Number.isNaN(ms)));
  const sum = (of) => recordings.reduce((total, recording) => total + of(recording), 0);
  return {
    sent: sentAt.length * recordings.length,
    lost: sum((recording) => sentAt.length - recording.arrived({ first, count: sentAt.length })),
    doubled: sum(({ doubled }) => doubled),
    reordered: sum(({ reordered }) => reordered),
    ...(delays.length > 0 && { p50Ms: quantile(delays, 0.5), p99Ms: quantile(delays, 0.99), mostMs: quantile(delays, 1) }),
  };
}

/** Later arrival at remote receivers than at local ones: for each message, between the receivers of the same index. */
export function added(local, remote, { first, sentAt }) {
  const ms = local.flatMap(({ at }, i) => sentAt.map((_, n) => remote[i].at[first + n] - at[first + n]));
  if (ms.some(Number.isNaN)) throw new Error('A message did not arrive.');
  return { addedP50Ms: quantile(ms, 0.5), addedP99Ms: quantile(ms, 0.99) };
}
