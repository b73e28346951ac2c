import type { NodeInfo, ProcessId } from '@hubline/server/backplane';
import { damaged, fieldsIn, isFields, isTexts, MAX_BYTES, unsupported, type Fields } from './decoding.ts';
import type { Claims } from './history.ts';
import { processIn, type Incarnation } from './keys.ts';
import { checkedClaims } from './repair-message.ts';
import { isIncarnation, nodeIn, VERSION } from './values.ts';

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

/**
 * Undefined where the kind is unknown.
 * @throws HublineError `unsupported_version`, or `invalid_message` where a field cannot be right
 */
export function decodeNotice(bytes: Buffer): Notice | undefined {
  if (bytes.length > MAX_BYTES) throw damaged('notice', `${bytes.length} bytes`);
  const notice = fieldsIn(bytes.toString());
  if (!notice) throw damaged('notice', 'no object');
  if (notice.v !== VERSION) throw unsupported('notice', typeof notice.v === 'number' ? notice.v : 0, VERSION);
  const { incarnation } = notice;
  if (!isIncarnation(incarnation)) throw damaged('notice', 'no incarnation');
  switch (notice.is) {
    case 'hello':
      return { is: 'hello', incarnation, node: nodeOf(notice, processIn(incarnation)) };
    case 'beat':
    case 'bye':
      return { is: notice.is, ...claimingIn(notice, incarnation) };
    case 'claims':
      return {
        is: 'claims',
        ...claimingIn(notice, incarnation),
        part: countIn(notice, 'part'),
        isLast: notice.isLast === true,
        coversMs: countIn(notice, 'coversMs'),
        left: textsIn(notice, 'left'),
      };
    case 'repaired':
      return { is: 'repaired', incarnation };
    case 'recall':
      return { is: 'recall', incarnation, ms: countIn(notice, 'ms') };
    default:
      return undefined;
  }
}

/** Reads the claims of a notice. A sender without repair has none. */
function claimingIn(notice: Fields, incarnation: Incarnation): Claiming {
  const { claims = {}, repairMs = 0 } = notice;
  return { incarnation, claims: checkedClaims(claims), repairMs: countIn({ repairMs }, 'repairMs') };
}

function countIn(notice: Fields, field: string): number {
  const value = notice[field];
  if (typeof value !== 'number' || !(value >= 0)) throw damaged('notice', `${field} is no number`);
  return value;
}

function textsIn(notice: Fields, field: string): readonly string[] {
  const value = notice[field];
  if (!isTexts(value)) throw damaged('notice', `${field} is no list of texts`);
  return value;
}

function nodeOf({ node: fields }: Fields, process: ProcessId): NodeInfo {
  const node = nodeIn(isFields(fields) ? fields : undefined);
  if (node?.process !== process) throw damaged('notice', 'a node is not described');
  return node;
}
