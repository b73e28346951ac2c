import { MessageType } from '@hubline/protocol';
import type { Random } from './random.ts';

/** The properties of a message in the order of writing. A malformed message may have one twice. */
export type Fields = readonly (readonly [name: string, value: unknown])[];

/** Names that are used for prototype pollution. */
export const PROTOTYPE_NAMES = ['__proto__', 'constructor', 'prototype', 'toString', 'hasOwnProperty', 'toJSON', 'then'];
const TEXTS = ['', 'x', 'echo', 'ünïcödé 🎉', '\u0000', '\ufeff', 'a\r\nb', '"', '\\', '{}', '1e999', 'null', ...PROTOTYPE_NAMES];
const NUMBERS = [0, -0, 1, -1, 1.5, 255, 256, 65_536, 2 ** 31, 2 ** 32, 2 ** 53, -(2 ** 53), 1e21, -1e308, 5e-324];
const METHODS = ['echo', 'Echo', 'count', 'sum', 'nothing', 'constructor', '__proto__'];

/** Returns any value that JSON and MessagePack can hold. */
export function anyValue(random: Random, depth = 0): unknown {
  switch (random.below(depth > 3 ? 4 : 6)) {
    case 0:
      return random.pick([null, true, false]);
    case 1:
      return random.pick(NUMBERS);
    case 2:
      return random.pick(TEXTS);
    case 3:
      return random.pick(TEXTS).repeat(random.below(4));
    case 4:
      return Array.from({ length: random.below(4) }, () => anyValue(random, depth + 1));
    default: {
      const object: Record<string, unknown> = {};
      for (let i = random.below(4); i > 0; i--) {
        // Defines an own property also for the name `__proto__`.
        Object.defineProperty(object, random.pick(random.chance(0.3) ? PROTOTYPE_NAMES : TEXTS), {
          value: anyValue(random, depth + 1),
          enumerable: true,
          configurable: true,
        });
      }
      return object;
    }
  }
}

const headers = (random: Random): Fields =>
  random.chance(0.2) ? [['headers', random.pick([{}, { a: 'b' }, { 'hubline-credit': '2' }, { 'hubline-credit': 'x' }])]] : [];

function call(random: Random, id: string): Fields {
  const target = random.pick(METHODS);
  return [
    ...headers(random),
    ['target', target],
    ['arguments', Array.from({ length: random.below(3) }, () => anyValue(random))],
    ...(target === 'sum' || random.chance(0.05) ? ([['streamIds', [`s${id}`]]] as const) : []),
  ];
}

/** A valid message of each type: a new type does not compile until it is here. */
const VALID: Record<MessageType, (random: Random, id: string) => Fields> = {
  [MessageType.Invocation]: (random, id) => [['invocationId', id] as const, ...call(random, id)].slice(random.chance(0.2) ? 1 : 0),
  [MessageType.StreamInvocation]: (random, id) => [['invocationId', id], ...call(random, id)],
  [MessageType.StreamItem]: (random, id) => [...headers(random), ['invocationId', `s${id}`], ['item', anyValue(random)]],
  [MessageType.Completion]: (random, id) => [
    ...headers(random),
    ['invocationId', `s${id}`],
    ...random.pick<Fields>([[], [['result', anyValue(random)]], [['error', 'failed']]]),
  ],
  [MessageType.CancelInvocation]: (random, id) => [...headers(random), ['invocationId', id]],
  [MessageType.Ping]: () => [],
  [MessageType.Close]: (random) =>
    random.pick<Fields>([[], [['error', 'bye']], [['allowReconnect', true]], [['error', null], ['allowReconnect', null], ['code', 'shutdown'], ['reason', 'r']]]), // prettier-ignore
  [MessageType.Ack]: (random) => [['sequenceId', random.below(1000)]],
  [MessageType.Sequence]: (random) => [['sequenceId', random.below(1000)]],
  [MessageType.Credit]: (random, id) => [
    ['invocationId', id],
    ['credit', random.below(10)],
  ],
};

const TYPES = Object.values(MessageType);

/** Returns few Close messages, since nothing is checked after them. */
export function validMessage(random: Random, id: string): Fields {
  let type = random.pick(TYPES);
  if (type === MessageType.Close && random.chance(0.8)) type = MessageType.Invocation;
  return [['type', type], ...VALID[type](random, id)];
}
