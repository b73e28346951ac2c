/**
 * The details of each error, by code. The codes are stable. docs/reference/errors.md has a line for each, and a test compares the two lists.
 */
export interface ErrorDetails {
  /** The caller is not authenticated: without credentials, or with invalid ones (HTTP 401). */
  unauthorized: { readonly method?: string; readonly status?: number; readonly url?: string };
  /** The caller is authenticated and not allowed (HTTP 403, or a method's `authorize` refused). */
  forbidden: { readonly method?: string; readonly status?: number; readonly url?: string };
  /** The hub, or the receiver, has no method of this name. */
  unknown_method: { readonly method: string };
  /** The arguments do not satisfy the method's schema, or its kind (streams sent and expected). */
  invalid_arguments: { readonly method: string; readonly issues?: readonly string[] };
  /** A result or an item does not satisfy the schema in `results`. */
  invalid_result: { readonly method: string; readonly issues?: readonly string[] };
  /** A hub method threw a {@link HublineError} made by `hubError`: its message is meant for the caller. */
  hub_error: { readonly method?: string; readonly data?: unknown };
  /** The method failed and the server does not send the reason, or a server without error codes reported a failure. */
  internal: { readonly method?: string };
  /** The source of an upload threw. */
  upload_failed: { readonly method: string };
  /** The value cannot be written in the connection's protocol. */
  not_encodable: { readonly path: string; readonly found: string };
  /** Received data is not a message of the protocol. */
  invalid_message: { readonly why: string };
  /** A message is larger than its receiver allows. */
  message_too_large: { readonly limitBytes: number; readonly bytes?: number };
  /** There was no result within the time limit. */
  call_timeout: { readonly method: string; readonly timeoutMs: number };
  /** The caller cancelled the call: its signal aborted, or it left the stream. */
  cancelled: { readonly method?: string };
  /** A client's receiver threw, or returned no result. */
  client_error: { readonly method: string };
  /** The connection ended before the result arrived, or there is no connection. */
  connection_lost: { readonly method?: string; readonly closeCode?: number; readonly status?: number | undefined };
  /** The connection that was called does not exist, or does not exist any more. */
  connection_gone: { readonly connectionId: string };
  /** The connection already has a transport (HTTP 409). */
  already_connected: { readonly connectionId?: string; readonly status?: number; readonly url?: string };
  /** The node that received the request ended, or its lease expired. */
  node_lost: { readonly nodeId: string };
  /** The node received a request and did not reply, although its lease is valid. */
  node_silent: { readonly nodeId: string };
  /** The request reached a node that does not hold the connection. */
  wrong_node: { readonly nodeId?: string; readonly status?: number; readonly url?: string };
  /** `invokeOne` called every connection of the target, and none returned a result. */
  no_client_responded: {
    readonly causes: readonly { readonly connectionId: string; readonly code: string; readonly message: string }[];
    /** The ids of nodes that could not be asked. */
    readonly missingNodes: readonly string[];
  };
  /** `where` names an attribute that the hub does not index. */
  attribute_not_indexed: { readonly attribute: string };
  /** The target cannot match any connection: `where({})`. */
  empty_target: Record<never, never>;
  /** The backplane did not accept the operation. `local` is the number of connections of this node that it reached. */
  backplane_unavailable: { readonly local?: number };
  /** A peer or node uses a version that this one does not support. */
  unsupported_version: { readonly version: number | string };
  /** No connection was opened: negotiate, the transport or the handshake failed. */
  negotiation_failed: { readonly status?: number; readonly url?: string; readonly retryAfterMs?: number };
  /** The other side sent nothing within the time limit. */
  timed_out: { readonly timeoutMs: number };
  /** The client did not read its messages fast enough. */
  slow_consumer: { readonly bufferedBytes: number; readonly limitBytes: number };
  /** A connection exceeded one of its limits. */
  limit_exceeded: { readonly limit: string; readonly max: number };
  /** The server's program ended the connection with `disconnect`. `reason` is the argument `code` of that call. */
  disconnected: { readonly reason?: string };
  /** The server shuts down. */
  shutdown: Record<never, never>;
  /** An option or argument of the program is invalid. `value` is the value that is not a valid number. */
  invalid_option: { readonly option: string; readonly value?: unknown };
}

export type ErrorCode = keyof ErrorDetails;

/** The one error class. `code` is the discriminant; narrow with {@link isHublineError}. */
export class HublineError<Code extends ErrorCode = ErrorCode> extends Error {
  override readonly name = 'HublineError';
  declare readonly code: Code;
  declare readonly details: ErrorDetails[Code];

  // eslint-disable-next-line @typescript-eslint/max-params -- the options come last, as they do in Error
  constructor(code: Code, message: string, details: ErrorDetails[Code], options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.details = details;
  }
}

/** The union of all errors, so that `error.code === 'call_timeout'` narrows `error.details`. */
export type AnyHublineError = { [Code in ErrorCode]: HublineError<Code> }[ErrorCode];

export function isHublineError(error: unknown): error is AnyHublineError {
  try {
    return error instanceof HublineError;
  } catch {
    return false; // a proxy may throw
  }
}

/** An error that a hub method threw for its caller, with data of a known type. */
export interface HubError<T> extends HublineError<'hub_error'> {
  readonly details: { readonly method?: string; readonly data: T };
}

/**
 * Whether a method threw `hubError`, with data that the guard accepts: `isHubError(error, isQuota) && error.details.data.left`. The data
 * come from the other side, so only a check makes their type certain. A guard that throws counts as no match.
 */
export function isHubError<T = unknown>(error: unknown, guard?: (data: unknown) => data is T): error is HubError<T> {
  if (!isHublineError(error) || error.code !== 'hub_error') return false;
  try {
    return !guard || guard(error.details.data);
  } catch {
    return false;
  }
}

/** Creates the error for received data that is not a message of the protocol. */
export function invalidMessage(why: string, cause?: unknown): HublineError<'invalid_message'> {
  return new HublineError('invalid_message', why, { why }, { cause });
}

/** Whether the error is meant for the caller of a hub method: `hub_error`, `unauthorized` or `forbidden`. */
export function isForCaller(error: unknown): error is HublineError<'hub_error' | 'unauthorized' | 'forbidden'> {
  return isHublineError(error) && (error.code === 'hub_error' || error.code === 'unauthorized' || error.code === 'forbidden');
}

/** Returns a thrown value as an Error with a readable name and message; any other value becomes the message. Never throws. */
export function asError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error && typeof thrown.message === 'string' && typeof thrown.name === 'string') return thrown;
    return new Error(String(thrown));
  } catch {
    return new Error('No text.', { cause: thrown });
  }
}
