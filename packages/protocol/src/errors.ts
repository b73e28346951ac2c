/**
 * What each failure knows about itself, by code. The codes are stable and safe to switch on; docs/errors.md has a line
 * for each, and a test compares the two lists.
 */
export interface ErrorDetails {
  /** Nobody has said who they are, or nobody believed it (HTTP 401). */
  unauthorized: { readonly method?: string; readonly status?: number; readonly url?: string };
  /** Known, and not allowed (HTTP 403; or a method's `authorize` said no). */
  forbidden: { readonly method?: string; readonly status?: number; readonly url?: string };
  /** The hub, or the receiver, has no method of this name. */
  unknown_method: { readonly method: string };
  /** The arguments do not satisfy the method's schema, or its kind (streams sent and expected). */
  invalid_arguments: { readonly method: string; readonly issues?: readonly string[] };
  /** What came back does not satisfy the schema in `results`. */
  invalid_result: { readonly method: string; readonly issues?: readonly string[] };
  /** A hub method threw a {@link HublineError} made by `hubError`: its message is meant for the caller. */
  hub_error: { readonly method?: string; readonly data?: unknown };
  /** The method failed, and the server keeps the reason to itself; or a server without codes reported a failure. */
  internal: { readonly method?: string };
  /** The source of an upload threw. */
  upload_failed: { readonly method: string };
  /** The value cannot be written in the connection's protocol. */
  not_encodable: { readonly path: string; readonly found: string };
  /** What arrived is not a message of the protocol. */
  invalid_message: { readonly why: string };
  /** A message is larger than the receiver takes. */
  message_too_large: { readonly limitBytes: number; readonly bytes?: number };
  /** No answer within the time allowed. */
  call_timeout: { readonly method: string; readonly timeoutMs: number };
  /** The caller gave up: its signal aborted, or it left the stream. */
  cancelled: { readonly method?: string };
  /** A client's receiver threw, or gave no result. */
  client_error: { readonly method: string };
  /** The connection ended before the answer came, or is not there to send on. */
  connection_lost: { readonly method?: string; readonly closeCode?: number; readonly status?: number | undefined };
  /** The connection that was asked does not exist (any more). */
  connection_gone: { readonly connectionId: string };
  /** The connection already has a transport (HTTP 409). */
  already_connected: { readonly connectionId?: string; readonly status?: number; readonly url?: string };
  /** The node that was asked ended, or its lease did. */
  node_lost: { readonly nodeId: string };
  /** The node was asked and did not answer, although its lease lives. */
  node_silent: { readonly nodeId: string };
  /** The request reached a node that does not hold the connection. */
  wrong_node: { readonly nodeId?: string; readonly status?: number; readonly url?: string };
  /** `invokeOne` asked everybody the target names, and nobody gave a result. */
  no_client_responded: {
    readonly causes: readonly { readonly connectionId: string; readonly code: string; readonly message: string }[];
    /** The nodes, by `nodeId`, that could not be asked. */
    readonly missingNodes: readonly string[];
  };
  /** `where` names an attribute that the hub does not index. */
  attribute_not_indexed: { readonly attribute: string };
  /** The target names nobody by construction: `where({})`. */
  empty_target: Record<never, never>;
  /** The backplane did not take it. `local` says how many connections got it, or were asked or ended, all the same. */
  backplane_unavailable: { readonly local?: number };
  /** A peer or node speaks a version that this one does not know. */
  unsupported_version: { readonly version: number | string };
  /** The server refused or could not agree on a connection: negotiate, transport or handshake. */
  negotiation_failed: { readonly status?: number; readonly url?: string; readonly retryAfterMs?: number };
  /** The other side was silent longer than the time-out allows. */
  timed_out: { readonly timeoutMs: number };
  /** The client could not take what it was sent fast enough. */
  slow_consumer: { readonly bufferedBytes: number; readonly limitBytes: number };
  /** More was asked of one connection than its limits allow. */
  limit_exceeded: { readonly limit: string; readonly max: number };
  /** The server ended the connection on purpose: `disconnect`. `reason` is the application's own, given there as `code`. */
  disconnected: { readonly reason?: string };
  /** The server is going away. */
  shutdown: Record<never, never>;
  /** An option or argument given by the program itself makes no sense. `value`: what a number should have been. */
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
    return false; // a proxy may refuse the question
  }
}

/** An error of a hub method that is meant for its caller, with data of a known type. */
export interface HubError<T> extends HublineError<'hub_error'> {
  readonly details: { readonly method?: string; readonly data: T };
}

/**
 * Whether a method threw `hubError`, with data that the guard accepts: `isHubError(error, isQuota) && error.details.data.left`. The data come
 * from the other side, so their type is only known once they are checked. Never throws what the guard throws: that is no match.
 */
export function isHubError<T = unknown>(error: unknown, guard?: (data: unknown) => data is T): error is HubError<T> {
  if (!isHublineError(error) || error.code !== 'hub_error') return false;
  try {
    return !guard || guard(error.details.data);
  } catch {
    return false;
  }
}

/** The error of what arrived and is no message of the protocol. */
export function invalidMessage(why: string, cause?: unknown): HublineError<'invalid_message'> {
  return new HublineError('invalid_message', why, { why }, { cause });
}

/** Whether the code is one that a hub throws for its caller to read: `hubError`, `unauthorized`, `forbidden`. */
export function isForCaller(error: unknown): error is HublineError<'hub_error' | 'unauthorized' | 'forbidden'> {
  return isHublineError(error) && (error.code === 'hub_error' || error.code === 'unauthorized' || error.code === 'forbidden');
}

/** What was thrown, as an Error whose name and message can be read: a thrown string becomes the message. Never throws. */
export function asError(thrown: unknown): Error {
  try {
    if (thrown instanceof Error && typeof thrown.message === 'string' && typeof thrown.name === 'string') return thrown;
    return new Error(String(thrown));
  } catch {
    return new Error('No text.', { cause: thrown });
  }
}
