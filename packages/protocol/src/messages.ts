/**
 * The message types, each a constant of its own: bundlers replace the name of a constant by its number, but not the entries of a table.
 */
export const INVOCATION = 1;
export const STREAM_ITEM = 2;
export const COMPLETION = 3;
export const STREAM_INVOCATION = 4;
export const CANCEL_INVOCATION = 5;
export const PING = 6;
export const CLOSE = 7;
export const ACK = 8;
export const SEQUENCE = 9;
export const CREDIT = 64;

/**
 * The types of all messages after the handshake. Numbers and property names are SignalR's (HubProtocol.md in dotnet/aspnetcore);
 * PROTOCOL.md describes our use of them. Each message below names its direction.
 */
export const MessageType = {
  Invocation: INVOCATION,
  StreamItem: STREAM_ITEM,
  Completion: COMPLETION,
  StreamInvocation: STREAM_INVOCATION,
  CancelInvocation: CANCEL_INVOCATION,
  Ping: PING,
  Close: CLOSE,
  Ack: ACK,
  Sequence: SEQUENCE,
  /** An addition of Hubline, used between Hubline peers only: see {@link Credit}. */
  Credit: CREDIT,
} as const;
export type MessageType = (typeof MessageType)[keyof typeof MessageType];

export type Headers = Readonly<Record<string, string>>;

/** Both directions. With an `invocationId` the callee sends a {@link Completion}; without one it sends nothing. */
export interface Invocation {
  readonly type: typeof MessageType.Invocation;
  readonly headers?: Headers;
  readonly invocationId?: string;
  readonly target: string;
  readonly arguments: readonly unknown[];
  /** Set by decoders if the message had no list of arguments: the call fails, and the connection stays open. */
  readonly unbound?: true;
  /** Ids of the streams that the caller uploads, in the order of the method's stream parameters. */
  readonly streamIds?: readonly string[];
}

/** Both directions: one item of a download (with the id of the call) or of an upload (with the id of the stream). */
export interface StreamItem {
  readonly type: typeof MessageType.StreamItem;
  readonly headers?: Headers;
  readonly invocationId: string;
  readonly item: unknown;
}

/** Both directions: ends a call or a stream. Has `result`, or `error`, or neither for void. */
export interface Completion {
  readonly type: typeof MessageType.Completion;
  readonly headers?: Headers;
  readonly invocationId: string;
  readonly result?: unknown;
  readonly error?: string;
}

/** Client → server: a call that is answered by stream items and one completion. */
export interface StreamInvocation {
  readonly type: typeof MessageType.StreamInvocation;
  readonly headers?: Headers;
  readonly invocationId: string;
  readonly target: string;
  readonly arguments: readonly unknown[];
  readonly unbound?: true;
  readonly streamIds?: readonly string[];
}

/** Client → server, and server → client if the client announced Hubline. The callee still sends a completion. */
export interface CancelInvocation {
  readonly type: typeof MessageType.CancelInvocation;
  readonly headers?: Headers;
  readonly invocationId: string;
}

/** Both directions: shows that the sender is alive. */
export interface Ping {
  readonly type: typeof MessageType.Ping;
}

/** Both directions: the last message of a connection. `code` and `reason` are additions for peers that announced Hubline. */
export interface Close {
  readonly type: typeof MessageType.Close;
  readonly error?: string;
  readonly allowReconnect?: boolean;
  readonly code?: string;
  /** The application's own reason, with the code `disconnected`. */
  readonly reason?: string;
}

/** Both directions, stateful reconnect only: everything up to `sequenceId` has arrived. */
export interface Ack {
  readonly type: typeof MessageType.Ack;
  readonly sequenceId: number;
}

/** Both directions, stateful reconnect only: the first message after this one has number `sequenceId`. */
export interface Sequence {
  readonly type: typeof MessageType.Sequence;
  readonly sequenceId: number;
}

/** Client → server, an addition of Hubline: the consumer of a download has room for `credit` more items. */
export interface Credit {
  readonly type: typeof MessageType.Credit;
  readonly invocationId: string;
  readonly credit: number;
}

export type HubMessage =
  Invocation | StreamItem | Completion | StreamInvocation | CancelInvocation | Ping | Close | Ack | Sequence | Credit;

// Headers carry values for which SignalR has no field. They are sent to peers that announced Hubline: see `codecForPeer`.

/** On a completion with an error, and on an HTTP response with an error: its {@link ErrorCode}. */
export const CODE_HEADER = 'hubline-code';
/** On a completion with an error: the error's details as JSON. */
export const DETAILS_HEADER = 'hubline-details';
/** On a stream invocation: how many items the server may send before it waits for {@link Credit}. */
export const CREDIT_HEADER = 'hubline-credit';
