/** Receives broadcasts. Checks that each message is the next one for the receiver; any other data ends the process. */
import { Buffer } from 'node:buffer';
import { groupOf, GROUPS, groupsOf } from '../groups.mjs';
import { numberAt, payload } from '../payload.mjs';
import { isPing, WIRE_FORMATS } from './wire-formats.mjs';
import { openAll } from './open-all.mjs';
import { fail, openRaw } from './raw.mjs';

/**
 * Opens receivers. Reports the number of messages of all receivers to `count`. If `isLate`, messages before the first one that arrives count
 * as arrived: the nodes of a cluster were not connected yet. With `to.hub` each receiver is a user, in the groups of `groupsOf`.
 */
export async function openReceivers({ to, receivers, isLate = false, count }) {
  const sample = JSON.stringify(payload(0));
  const event = WIRE_FORMATS[to.wire].event(sample);
  const first = Buffer.from(event);
  const jsonAt = event.indexOf(sample);
  const size = first.length;
  await openAll(receivers, async (place) => {
    const user = to.hub === undefined ? undefined : `user-${place}`;
    const connection = await openRaw(to, user);
    const nextFrom = user === undefined ? (number) => number : nextOf(user);
    let next = nextFrom(0);
    connection.deliver = (bytes, start, end) => {
      if (isPing(bytes, start, end)) return;
      if ((end - start) % size !== 0) fail(`${end - start} bytes arrived where messages have ${size}.`);
      if (!isLate && user === undefined && next === 0 && first.compare(bytes, start, start + size) !== 0)
        fail(`Not the first message: ${bytes.toString('utf8', start, end)}`);
      let messages = isLate && next === 0 ? numberAt(bytes, start + jsonAt) : 0;
      next += messages;
      for (let at = start; at < end; at += size) {
        const number = numberAt(bytes, at + jsonAt);
        if (number !== next) fail(`Message ${number} arrived instead of ${next}.`);
        next = nextFrom(number + 1);
        messages++;
      }
      count(messages);
    };
  });
}

/** Returns a function for the next message that a user gets, from a number on. */
function nextOf(user) {
  const groups = new Set(groupsOf(user));
  const isMine = Array.from({ length: GROUPS }, (_, number) => groups.has(groupOf(number))); // groups repeat after as many messages
  return (number) => {
    while (!isMine[number % GROUPS]) number++;
    return number;
  };
}
