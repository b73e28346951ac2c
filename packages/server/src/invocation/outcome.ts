/** The reason why an invoked client returned no result. */
export type RejectionCode =
  /** Its receiver threw or returned no result, or the result cannot be sent to the node of the caller. */
  | 'client_error'
  /** Its result does not match the schema in the hub's `results`. */
  | 'invalid_result'
  /** Its protocol cannot encode the invocation, or the nodes have no common protocol for the result. */
  | 'not_encodable'
  /** It did not answer in time. */
  | 'call_timeout'
  /** It has disconnected. */
  | 'connection_gone'
  /** Its node has left the cluster, or the lease of its node has expired. */
  | 'node_lost'
  /** Its node did not reply, although it has a lease. */
  | 'node_silent';

/** The outcome of one client. Every invoked client has exactly one. */
export type ClientOutcome<T> = { readonly connectionId: string; readonly nodeId: string } & (
  | { readonly status: 'fulfilled'; readonly value: T }
  | { readonly status: 'rejected'; readonly code: RejectionCode; readonly message: string }
);

/** The outcome of a user of the target without a connection. */
export interface AbsentUser {
  readonly status: 'rejected';
  readonly code: 'absent';
  readonly message: string;
  readonly userId: string;
  readonly connectionId?: undefined;
  readonly nodeId?: undefined;
}

/** One outcome of `invokeAll`. */
export type Outcome<T> = ClientOutcome<T> | AbsentUser;

/** An outcome without its node: the receiver knows which node sent it. */
export type LocalOutcome =
  { readonly id: string; readonly value: unknown } | { readonly id: string; readonly code: RejectionCode; readonly message: string };

export function outcomeOf<T>(outcome: LocalOutcome, nodeId: string): ClientOutcome<T> {
  const { id: connectionId } = outcome;
  if ('code' in outcome) return { connectionId, nodeId, status: 'rejected', code: outcome.code, message: outcome.message };
  return { connectionId, nodeId, status: 'fulfilled', value: outcome.value as T }; // the contract has its type
}

export const absentUser = (userId: string): AbsentUser => ({
  status: 'rejected',
  code: 'absent',
  message: `User '${userId}' has no connection.`,
  userId,
});
