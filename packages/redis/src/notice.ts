import { read, type NodeInfo, type ProcessId, type Read } from '@hubline/server/backplane';
import { damaged, fieldsIn, MAX_BYTES, unsupported } from './decoding.ts';
import type { Claims } from './history.ts';
import { processIn, type Incarnation } from './keys.ts';
import { readClaims } from './repair-message.ts';
import { isIncarnation, readNode, VERSION } from './values.ts';

interface Claiming {
  readonly incarnation: Incarnation;
  readonly claims: Claims;
  /** For how long the node keeps its frames, in milliseconds; 0 without repair. */
  readonly repairMs: number;
}

/** A message in which a node informs all other nodes about itself. */
export type Notice =
  | { readonly is: 'hello'; readonly incarnation: Incarnation; readonly node: NodeInfo }
  | ({ readonly is: 'beat' } & Claiming)
  /** A part of a node's claims. All parts together include every channel that the node used, and every process that left, within `coversMs`. */
  | ({
      readonly is: 'claims';
      readonly part: number;
      readonly isLast: boolean;
      readonly coversMs: number;
      readonly left: readonly ProcessId[];
    } & Claiming)
  /** Requests the claims of all nodes: the sender may have missed frames of the last `ms`. */
  | { readonly is: 'recall'; readonly incarnation: Incarnation; readonly ms: number }
  /** Entries of the sender were missing in Redis, and are written again. */
  | { readonly is: 'repaired'; readonly incarnation: Incarnation }
  | ({ readonly is: 'bye' } & Claiming);

/** The name of the channel to which all nodes subscribe. */
export const NOTICES = 'nodes';

export const encodeNotice = (notice: Notice): Buffer => Buffer.from(JSON.stringify({ v: VERSION, ...notice }));

const milliseconds: Read<number> = (value) => (read.number(value) >= 0 ? (value as number) : read.refuse('a duration', value));

/** Reads claims, which a sender without repair leaves out. */
const CLAIMING = {
  claims: (value: unknown = {}) => readClaims(value),
  repairMs: (value: unknown = 0) => milliseconds(value),
};

/** Readers of the fields of each kind of notice, besides its incarnation. */
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
 * Decodes a notice; undefined for an unknown kind.
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
