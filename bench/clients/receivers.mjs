/** Receives broadcasts. Checks that each message is the next one; any other data ends the process. */
import { Buffer } from 'node:buffer';
import { numberAt, payload } from '../payload.mjs';
import { isPing, WIRE_FORMATS } from './wire-formats.mjs';
import { openAll } from './open-all.mjs';
import { fail, openRaw } from './raw.mjs';

/**
 * Opens receivers. Reports the number of messages of all receivers to `count`. If `isLate`, messages before the first one that arrives count
 * as arrived: the nodes of a cluster were not connected yet.
 */
export async function openReceivers({ to, receivers, isLate = false, count }) {
  const sample = JSON.stringify(payload(0));
  const event = WIRE_FORMATS[to.wire].event(sample);
  const first = Buffer.from(event);
  const jsonAt = event.indexOf(sample);
  const size = first.length;
  await openAll(receivers, async () => {
    const connection = await openRaw(to);
    let next = 0;
    connection.deliver = (bytes, start, end) => {
      if (isPing(bytes, start, end)) return;
      if ((end - start) % size !== 0) fail(`${end - start} bytes arrived where messages have ${size}.`);
      if (!isLate && next === 0 && first.compare(bytes, start, start + size) !== 0)
        fail(`Not the first message: ${bytes.toString('utf8', start, end)}`);
      const before = next;
      if (isLate && next === 0) next = numberAt(bytes, start + jsonAt);
      for (let at = start; at < end; at += size) {
        const number = numberAt(bytes, at + jsonAt);
        if (number !== next) fail(`Message ${number} arrived instead of ${next}.`);
        next++;
      }
      count(next - before);
    };
  });
}
