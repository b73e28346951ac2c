/** Makes calls from prepared bytes, which costs the client little. Compares every reply with the expected bytes. */
import { Buffer } from 'node:buffer';
import { clientFrame } from '../frames.mjs';
import { payload } from '../payload.mjs';
import { WIRE_FORMATS } from './wire-formats.mjs';
import { fail, openRaw } from './raw.mjs';

/** Opens a caller. Servers answer one connection in order, so ids repeat: call n has the id of call n - window. */
export async function openRawCaller({ to, window, place }) {
  const connection = await openRaw(to);
  const { call, reply } = WIRE_FORMATS[to.wire];
  // The buffers hold the calls twice, so that any sequence of at most one window is contiguous. Each client sends its own values,
  // so a server gains nothing by sharing equal replies.
  const json = (i) => JSON.stringify(payload(place * window + i));
  const slots = Array.from({ length: 2 * window }, (_, i) => ({ id: 100 + (i % window), json: json(i % window) }));
  const calls = Buffer.concat(slots.map(({ id, json }) => clientFrame(call(id, json))));
  const replies = Buffer.concat(slots.map(({ id, json }) => Buffer.from(reply(id, json))));
  const callSize = calls.length / slots.length;
  const replySize = replies.length / slots.length;

  let slot = 0; // of the next reply, and so of the call after it
  let arrived = 0; // replies in the chunk at hand
  let open = 0;
  let answered; // called with the duration of each call
  let finished; // set when no more calls must be made
  const sentAt = new Float64Array(window); // by slot
  const send = (count) => {
    const now = performance.now();
    for (let i = slot; i < slot + count; i++) sentAt[i % window] = now;
    connection.write(calls.subarray(slot * callSize, (slot + count) * callSize));
  };
  connection.deliver = (bytes, start, end) => {
    const from = ((slot + arrived) % window) * replySize;
    const expected = replies.compare(bytes, start, end, from, from + end - start);
    if (expected !== 0) fail(`Not the expected reply: ${bytes.toString('utf8', start, end)}`);
    arrived += (end - start) / replySize;
  };
  connection.afterChunk = () => {
    const count = arrived;
    if (count === 0) return;
    arrived = 0;
    const now = performance.now();
    for (let i = slot; i < slot + count; i++) answered(now - sentAt[i % window]);
    if (!finished) send(count);
    else if ((open -= count) === 0) finished();
    slot = (slot + count) % window;
  };
  return {
    /** Keeps `window` calls open until `over` settles, then waits for the open ones. Reports the duration of each call to `took`. */
    async run(over, took) {
      answered = took;
      open = window;
      finished = undefined;
      send(window);
      await over;
      await new Promise((resolve) => (finished = resolve));
    },
  };
}
