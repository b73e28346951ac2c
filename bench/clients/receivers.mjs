/** Receives broadcasts. Checks that each message is the next one; any other data ends the process. */
import { Buffer } from 'node:buffer';
import { numberAt, payload } from '../payload.mjs';
import { WIRE_FORMATS } from './wire-formats.mjs';
import { openAll } from './open-all.mjs';
import { fail, openRaw } from './raw.mjs';

/** Opens receivers. Reports the number of messages of all receivers to `count`. */
export async function openReceivers({ kind, port, receivers, count }) {
  const sample = JSON.stringify(payload(0));
  const event = WIRE_FORMATS[kind].event(sample);
  const first = Buffer.from(event);
  const jsonAt = event.indexOf(sample);
  const size = first.length;
  await openAll(receivers, async () => {
    const connection = await openRaw(kind, port);
    let next = 0;
    connection.deliver = (bytes, start, end) => {
      if ((end - start) % size !== 0) fail(`${end - start} bytes arrived where messages have ${size}.`);
      if (next === 0 && first.compare(bytes, start, start + size) !== 0)
        fail(`Not the first message: ${bytes.toString('utf8', start, end)}`);
      for (let at = start; at < end; at += size) {
        const number = numberAt(bytes, at + jsonAt);
        if (number !== next) fail(`Message ${number} arrived instead of ${next}.`);
        next++;
      }
      count((end - start) / size);
    };
  });
}
