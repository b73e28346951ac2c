import { read, type NodeInfo, type ProcessId, type Read } from '@hubline/server/backplane';
import { damaged, fieldsIn, MAX_BYTES, unsupported } from './decoding.ts';
import type { Claims } from './history.ts';
import { processIn, type Incarnation } from './keys.ts';
import { readClaims } from './repair-message.ts';
import { isIncarnation, readNode, VERSION } from './values.ts';

interface Claiming {
  readonly incarnation: Incarnation;
  readonly claims: Claims;
  /** For how long the node keeps its frames. */
  readonly repairMs: number;
}

/** A message from one node to all others about itself. */
export type Notice =
  | { readonly is: 'hello'; readonly incarnation: Incarnation; readonly node: NodeInfo }
  | ({ readonly is: 'beat' } & Claiming)
  /** One part of all claims: no channel that was used within the last `coversMs` is left out. `left` within this time. */
  | ({
      readonly is: 'claims';
      readonly part: number;
      readonly isLast: boolean;
      readonly coversMs: number;
      readonly left: readonly ProcessId[];
    } & Claiming)
  /** Asks every node for its claims: this one may have missed frames of the last `ms`. */
  | { readonly is: 'recall'; readonly incarnation: Incarnation; readonly ms: number }
  /** Redis had lost a part of what this node has written, and has it again. */
  | { readonly is: 'repaired'; readonly incarnation: Incarnation }
  | ({ readonly is: 'bye' } & Claiming);

/** The channel of all nodes. */
export const NOTICES = 'nodes';

export const encodeNotice = (notice: Notice): Buffer => Buffer.from(JSON.stringify({ v: VERSION, ...notice }));

const milliseconds: Read<number> = (value) => (read.number(value) >= 0 ? (value as number) : read.refuse('a duration', value));

/** A sender without repair has no claims. */
const CLAIMING = {
  claims: (value: unknown = {}) => readClaims(value),
  repairMs: (value: unknown = 0) => milliseconds(value),
};

/** Reads the fields of a notice of each kind, besides its incarnation. */
const FIELDS: { readonly [K in Notice['is']]: Read<Omit<Extract<Notice, { is: K }>, 'is' | 'incarnation'>> } = {
  hello: read.fields({ node: readNode }),
  beat: read.fields(CLAIMING),
  claims: read.fields({
    ...CLAIMING,
    part: read.count,
    isLast: (value) => value === true,
    coversMs: milliseconds,
    left: read.list(read.text),
  }),
  recall: read.fields({ ms: milliseconds }),
  repaired: () => ({}),
  bye: read.fields(CLAIMING),
};

/**
 * Undefined for a notice of an unknown kind.
 * @throws HublineError `unsupported_version`, or `invalid_message` for a field that cannot be right
 */
export function decodeNotice(bytes: Buffer): Notice | undefined {
  if (bytes.length > MAX_BYTES) throw damaged('notice', `${bytes.length} bytes`);
  const fields = fieldsIn(bytes.toString());
  if (!fields) throw damaged('notice', 'no object');
  const { v: version, is, incarnation } = fields;
  if (version !== VERSION) throw unsupported('notice', typeof version === 'number' ? version : 0, VERSION);
  if (!isIncarnation(incarnation)) throw damaged('notice', 'no incarnation');
  if (typeof is !== 'string' || !Object.hasOwn(FIELDS, is)) return undefined;
  const notice = { is, incarnation, ...FIELDS[is as Notice['is']](fields) } as Notice;
  if (notice.is === 'hello' && notice.node.process !== processIn(incarnation)) throw damaged('notice', 'the node of another process');
  return notice;
}
