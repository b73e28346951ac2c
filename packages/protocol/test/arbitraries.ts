import fc from 'fast-check';
import { MessageType, type HubMessage } from '@hubline/protocol';

/** Any sequence of UTF-16 units, half surrogate pairs included. */
const anyText = fc.array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 20 }).map((units) => String.fromCharCode(...units));
const text = fc.oneof(fc.string(), fc.string({ unit: 'binary' }), anyText);
const name = text.filter((value) => value !== '');
const count = fc.nat(Number.MAX_SAFE_INTEGER);
/** Any JSON value without the key `__proto__`, which decoders drop. */
export const json = fc
  .oneof(fc.jsonValue({ stringUnit: 'binary' }), text)
  .filter((value) => !JSON.stringify(value).includes('"__proto__":'));

const call = {
  headers: fc.dictionary(text, text).filter((value) => !Object.hasOwn(value, '__proto__')),
  invocationId: name,
  target: name,
  arguments: fc.array(json, { maxLength: 4 }),
  streamIds: fc.array(name, { maxLength: 3 }),
};
const { headers, invocationId } = call;

const { Invocation, StreamInvocation, StreamItem, Completion, CancelInvocation, Ping, Close, Ack, Sequence, Credit } = MessageType;

/** One row for each type, so that a new message does not compile until it is tested here. */
const BY_TYPE: { readonly [T in MessageType]: fc.Arbitrary<Extract<HubMessage, { type: T }>> } = {
  [Invocation]: fc.record({ type: fc.constant(Invocation), ...call }, { requiredKeys: ['type', 'target', 'arguments'] }),
  [StreamInvocation]: fc.record(
    { type: fc.constant(StreamInvocation), ...call },
    { requiredKeys: ['type', 'invocationId', 'target', 'arguments'] },
  ),
  [StreamItem]: fc.record(
    { type: fc.constant(StreamItem), headers, invocationId, item: json },
    { requiredKeys: ['type', 'invocationId', 'item'] },
  ),
  [Completion]: fc.oneof(
    fc.record({ type: fc.constant(Completion), headers, invocationId, result: json }, { requiredKeys: ['type', 'invocationId'] }),
    fc.record({ type: fc.constant(Completion), headers, invocationId, error: name }, { requiredKeys: ['type', 'invocationId', 'error'] }),
  ),
  [CancelInvocation]: fc.record({ type: fc.constant(CancelInvocation), headers, invocationId }, { requiredKeys: ['type', 'invocationId'] }),
  [Ping]: fc.constant({ type: Ping }),
  [Close]: fc.record(
    { type: fc.constant(Close), error: text, allowReconnect: fc.boolean(), code: text, reason: text },
    { requiredKeys: ['type'] },
  ),
  [Ack]: fc.record({ type: fc.constant(Ack), sequenceId: count }),
  [Sequence]: fc.record({ type: fc.constant(Sequence), sequenceId: count }),
  [Credit]: fc.record({ type: fc.constant(Credit), invocationId, credit: count }),
};

export const message: fc.Arbitrary<HubMessage> = fc.oneof(...Object.values(BY_TYPE));

/** The same text or bytes in pieces that are cut anywhere. */
export function cut<Wire extends string | Uint8Array>(wire: Wire): fc.Arbitrary<Wire[]> {
  return fc.array(fc.nat(wire.length), { maxLength: 12 }).map((cuts) => {
    const ends = [0, ...cuts.toSorted((a, b) => a - b), wire.length];
    return ends.slice(1).map((end, i) => wire.slice(ends[i], end) as Wire);
  });
}
