/** Receivers of a broadcast. Each message is seen to be the next one; whatever else arrives ends the process. */
import { Buffer } from 'node:buffer';
import { numberAt, payload } from '../payload.mjs';
import { DIALECTS } from './dialects.mjs';
import { openAll } from './open-all.mjs';
import { fail, openRaw } from './raw.mjs';

/** `count` says how many messages arrived, at all receivers together. */
export async function openReceivers({ kind, port, receivers, count }) {
  const sample = JSON.stringify(payload(0));
  const event = DIALECTS[kind].event(sample);
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
