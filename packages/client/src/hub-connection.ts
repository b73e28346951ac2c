/// <reference lib="esnext.disposable" preserve="true" />
import type {
  Args,
  Asking,
  CallName,
  Calling,
  Implementation,
  Output,
  StandardSchema,
  Streaming,
  StreamName,
  Name,
  Contract,
} from '@hubline/protocol';
import type { CallOptions } from './calls.ts';
import type { ConnectionEvents, ConnectionState } from './connection-state.ts';

/** Calls of a hub's methods, in three kinds. A call without a connection fails at once; it is not queued. */
export interface HubCalls<H> {
  /**
   * Calls a method and waits for its result. Streams among the arguments are uploaded. Rejects with the server's error
   * (`hub_error`, `unauthorized`, `unknown_method`, `invalid_arguments`, `internal` …), `connection_lost`, `call_timeout`,
   * `cancelled`, `not_encodable`, or `invalid_result` if `results` has a schema that the result does not match.
   */
  readonly invoke: Asking<H, CallName<H>>;
  /** Calls a method without a result or an error. A call that cannot be sent is reported by the event `lost`. */
  readonly send: Calling<H, CallName<H>, void>;
  /** Calls a method that streams. The call is sent when the first item is requested; leaving the loop cancels it on the server. */
  readonly stream: Streaming<H, StreamName<H>>;
}

/** A typed connection to one hub. `createHubConnection` creates it. */
export interface HubConnection<H, R> extends HubCalls<H>, AsyncDisposable {
  readonly state: ConnectionState;
  /**
   * Connects. Resolves when the first connection is open. Rejects with `unauthorized`, `forbidden`, `negotiation_failed`, `timed_out` or
   * other errors of an attempt, or with `cancelled` after the signal or `stop()`. While started, it returns the same promise.
   */
  start(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** Closes the connection. Resolves when the transport is closed. Never rejects; idempotent. `start()` connects again. */
  stop(): Promise<void>;
  /** The same methods with these options, such as a signal or a time limit. */
  with(options: CallOptions): HubCalls<H>;
  /** Calls a method by its name, also one that the contract does not have. */
  call(method: string, args?: readonly unknown[], options?: CallOptions): Promise<unknown>;
  /**
   * Adds receivers that the server may call: the methods of an object, inherited ones included, or one function with its name. Names
   * ignore case. Several receivers may have one name, but only one of them may return a result. Returns a function that removes them.
   */
  receive(receiver: Implementation<R>): () => void;
  receive<K extends Name<R>>(name: K, handler: R[K]): () => void;
  /**
   * Listens to an event of the connection, or to an event of the server by its name in the contract. Returns a function that removes the
   * listener.
   */
  on<E extends keyof ConnectionEvents>(event: E, listener: (...args: ConnectionEvents[E]) => void): () => void;
  on<K extends Exclude<Name<R>, keyof ConnectionEvents>>(name: K, handler: R[K]): () => void;
  /** Listens to the next such event only. */
  once<E extends keyof ConnectionEvents>(event: E, listener: (...args: ConnectionEvents[E]) => void): () => void;
  once<K extends Exclude<Name<R>, keyof ConnectionEvents>>(name: K, handler: R[K]): () => void;
}

/** Schemas (zod, valibot, arktype …) by method: of its result, or of each item of its stream. */
export type Results<H> = { readonly [K in keyof H]?: StandardSchema<unknown, Output<H[K]>> };

/** Schemas by receiver: of the tuple of its arguments. */
export type EventArgs<R> = { readonly [K in keyof R]?: StandardSchema<unknown, Args<R[K]>> };

/** The type of a connection to the hub of a contract: `ConnectionOf<typeof chat>`. */
export type ConnectionOf<C> = C extends Contract<infer H, infer R, infer _A> ? HubConnection<H, R> : never;
