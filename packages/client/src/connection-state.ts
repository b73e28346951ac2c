/** The state of a connection. Each state has the properties that exist in it. */
export type ConnectionState =
  /** `start()` was not called yet. */
  | { readonly name: 'idle' }
  /** The connection was never open since `start()`. `attempt` counts from 0. */
  | { readonly name: 'connecting'; readonly attempt: number }
  /**
   * Calls are possible. `node` is the name of the server's node. Only Hubline servers send it, and the connection id without negotiation.
   */
  | { readonly name: 'connected'; readonly connectionId?: string | undefined; readonly node?: string | undefined }
  /** The connection ended with `cause`. Attempt number `attempt`, from 1, starts `delayMs` milliseconds after this state began. */
  | { readonly name: 'reconnecting'; readonly attempt: number; readonly delayMs: number; readonly cause: Error }
  /** The connection is closed until the next `start()`. There is no cause after `stop()`. */
  | { readonly name: 'closed'; readonly cause?: Error };

export interface ConnectionEvents {
  /** The state changed. */
  state: [state: ConnectionState];
  reconnecting: [cause: Error];
  /** The client is connected again. For the server it is a new connection, without the groups of the old one. */
  reconnected: [connectionId: string | undefined];
  closed: [cause: Error | undefined];
  /** A `send` failed before its message reached the transport. */
  lost: [loss: { readonly method: string; readonly error: Error }];
  /** An error without a caller: a receiver, a listener or the source of an upload threw. */
  error: [error: Error];
}
