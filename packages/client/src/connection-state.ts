/** Each state carries exactly what exists in it. */
export type ConnectionState =
  /** Made, and never started. */
  | { readonly name: 'idle' }
  /** The first attempts; `attempt` counts from 0. */
  | { readonly name: 'connecting'; readonly attempt: number }
  /** Calls may be made. No id where negotiation was skipped. */
  | { readonly name: 'connected'; readonly connectionId?: string | undefined }
  /** Lost: the attempt of this number, from 1, begins `delayMs` after this state did. */
  | { readonly name: 'reconnecting'; readonly attempt: number; readonly delayMs: number; readonly cause: Error }
  /** Over, until somebody calls `start()`. No cause: `stop()` was called. */
  | { readonly name: 'closed'; readonly cause?: Error };

export interface ConnectionEvents {
  /** Every change of the state. */
  state: [state: ConnectionState];
  reconnecting: [cause: Error];
  /** Connected again, usually as another connection: groups are not kept. */
  reconnected: [connectionId: string | undefined];
  closed: [cause: Error | undefined];
  /** A `send` that did not reach the transport. */
  lost: [loss: { readonly method: string; readonly error: Error }];
  /** What has no caller to be thrown to: a receiver, a listener or an upload's source threw. */
  error: [error: Error];
}
