import type { Completion } from '@hubline/protocol';
import type { ClientAnswer } from '../connection/index.ts';

/** Why a client that was asked gave no result. */
export type RejectionCode =
  /** Its receiver threw, or gave no result. */
  | 'client_error'
  /** It did not answer in time. */
  | 'call_timeout'
  /** It left. */
  | 'connection_gone'
  /** Its node ended, or its lease did. */
  | 'node_lost'
  /** Its node was asked and said nothing, although its lease lives. */
  | 'node_silent';

/** How one client answered. Every client that was asked has exactly one. */
export type Outcome<T> = { readonly connectionId: string; readonly nodeId: string } & (
  | { readonly status: 'fulfilled'; readonly value: T }
  | { readonly status: 'rejected'; readonly code: RejectionCode; readonly message: string }
);

/** The same on its way between nodes: the node's name is known from where it comes. */
export type Settled =
  { readonly id: string; readonly value: unknown } | { readonly id: string; readonly code: RejectionCode; readonly message: string };

export function settledBy(id: string, answer: ClientAnswer): Settled {
  if (!answer) return { id, code: 'connection_gone', message: 'The client has disconnected.' };
  return answer.error === undefined ? { id, value: resultOf(answer) } : { id, code: 'client_error', message: answer.error };
}

export function outcomeOf<T>(settled: Settled, nodeId: string): Outcome<T> {
  const { id: connectionId } = settled;
  if ('code' in settled) return { connectionId, nodeId, status: 'rejected', code: settled.code, message: settled.message };
  return { connectionId, nodeId, status: 'fulfilled', value: settled.value as T }; // the contract says what a client answers
}

const resultOf = ({ result }: Completion): unknown => result ?? null;
