import { HublineError } from '@hubline/protocol';
import type { NodeInfo } from '@hubline/server/backplane';
import type { Incarnation } from './keys.ts';

/** A message from one node to all others about itself. */
export type Notice =
  | { readonly is: 'hello'; readonly incarnation: Incarnation; readonly node: NodeInfo }
  | { readonly is: 'beat'; readonly incarnation: Incarnation; readonly sequences: Readonly<Record<string, number>> }
  | { readonly is: 'bye'; readonly incarnation: Incarnation };

/** The channel of all nodes. */
export const NOTICES = 'nodes';

export const encodeNotice = (notice: Notice): Buffer => Buffer.from(JSON.stringify(notice));

/** @throws HublineError `invalid_message` where it is no JSON object of an incarnation */
export function decodeNotice(bytes: Buffer): Notice {
  try {
    const notice = JSON.parse(bytes.toString()) as Notice;
    if (typeof notice.incarnation === 'string') return notice;
  } catch (cause) {
    throw new HublineError('invalid_message', 'A notice between nodes is damaged.', { why: String(cause) }, { cause });
  }
  throw new HublineError('invalid_message', 'A notice between nodes names no incarnation.', { why: 'no incarnation' });
}
