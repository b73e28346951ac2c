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

/** A hub's methods, in the three ways to call them. Calls without a connection fail at once: nothing is queued. */
export interface HubCalls<H> {
  /**
   * Calls and waits for the result. Streams among the arguments are uploaded. Rejects with the server's error
   * (`hub_error`, `unauthorized`, `unknown_method`, `invalid_arguments`, `internal` …), `connection_lost`, `call_timeout`,
   * `cancelled`, `not_encodable`, or `invalid_result` where `results` has a schema.
   */
  readonly invoke: Asking<H, CallName<H>>;
  /** Calls and does not wait: no result, no error. What cannot be sent is the event `lost`. */
  readonly send: Calling<H, CallName<H>, void>;
  /** A stream. The call is sent when the first item is asked for; leaving the loop cancels it on the server. */
  readonly stream: Streaming<H, StreamName<H>>;
}

/** A typed connection to one hub. Made by `createHubConnection`. */
export interface HubConnection<H, R> extends HubCalls<H>, AsyncDisposable {
  readonly state: ConnectionState;
  /**
   * Connects; settles with the first connection, or rejects with why there is none: `unauthorized`, `forbidden`,
   * `negotiation_failed`, `timed_out`, or `cancelled` by the signal or `stop()`. While started, it gives the same promise.
   */
  start(options?: { readonly signal?: AbortSignal | undefined }): Promise<void>;
  /** Says goodbye, and settles when the socket is closed. Never rejects; idempotent; `start()` begins anew. */
  stop(): Promise<void>;
  /** The same methods with a signal and a time limit. */
  with(options: CallOptions): HubCalls<H>;
  /** Calls a method that the contract does not have. */
  call(method: string, args?: readonly unknown[], options?: CallOptions): Promise<unknown>;
  /**
   * Adds what the server may call: the methods of an object, own and inherited ones, or one by its name; matched without case. Several
   * may hear one event; exactly one may give a result. Returns its undo.
   */
  receive(receiver: Implementation<R>): () => void;
  receive<K extends Name<R>>(name: K, handler: R[K]): () => void;
  /** Listens to the connection, or to one event of the server by its name in the contract. Returns its undo. */
  on<E extends keyof ConnectionEvents>(event: E, listener: (...args: ConnectionEvents[E]) => void): () => void;
  on<K extends Exclude<Name<R>, keyof ConnectionEvents>>(name: K, handler: R[K]): () => void;
  /** The same for the next time only. */
  once<E extends keyof ConnectionEvents>(event: E, listener: (...args: ConnectionEvents[E]) => void): () => void;
  once<K extends Exclude<Name<R>, keyof ConnectionEvents>>(name: K, handler: R[K]): () => void;
}

/** Schemas (zod, valibot, arktype …) for what comes back: a method's result, or each item of its stream. */
export type Results<H> = { readonly [K in keyof H]?: StandardSchema<unknown, Output<H[K]>> };

/** Schemas for what the server calls with: the tuple of a receiver's parameters. */
export type EventArgs<R> = { readonly [K in keyof R]?: StandardSchema<unknown, Args<R[K]>> };

/** The connection to the hub of a contract: `ConnectionOf<typeof chat>`. */
export type ConnectionOf<C> = C extends Contract<infer H, infer R, infer _A> ? HubConnection<H, R> : never;
