/** Why a client that was asked gave no result. */
export type RejectionCode =
  /** Its receiver threw or gave no result, or its answer cannot be handed on. */
  | 'client_error'
  /** Its result does not satisfy the schema in the hub's `results`. */
  | 'invalid_result'
  /** Its protocol cannot hold what it was asked, or its node has no way to hand on the answer. */
  | 'not_encodable'
  /** It did not answer in time. */
  | 'call_timeout'
  /** It left. */
  | 'connection_gone'
  /** Its node ended, or its lease did. */
  | 'node_lost'
  /** Its node was asked and did not reply, although its lease lives. */
  | 'node_silent';

/** How one client answered. Every client that was asked has exactly one. */
export type ClientOutcome<T> = { readonly connectionId: string; readonly nodeId: string } & (
  | { readonly status: 'fulfilled'; readonly value: T }
  | { readonly status: 'rejected'; readonly code: RejectionCode; readonly message: string }
);

/** A user of the target that has no connection: no client was invoked. */
export interface AbsentUser {
  readonly status: 'rejected';
  readonly code: 'absent';
  readonly message: string;
  readonly userId: string;
  readonly connectionId?: undefined;
  readonly nodeId?: undefined;
}

export type Outcome<T> = ClientOutcome<T> | AbsentUser;

/** An outcome without its node: the reader knows which node sent it. */
export type LocalOutcome =
  { readonly id: string; readonly value: unknown } | { readonly id: string; readonly code: RejectionCode; readonly message: string };

export function outcomeOf<T>(settled: LocalOutcome, nodeId: string): ClientOutcome<T> {
  const { id: connectionId } = settled;
  if ('code' in settled) return { connectionId, nodeId, status: 'rejected', code: settled.code, message: settled.message };
  return { connectionId, nodeId, status: 'fulfilled', value: settled.value as T }; // the contract has the type of the result
}

export const absentUser = (userId: string): AbsentUser => ({
  status: 'rejected',
  code: 'absent',
  message: `User '${userId}' has no connection.`,
  userId,
});
