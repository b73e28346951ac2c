import {
  CODE_HEADER,
  CREDIT_HEADER,
  DETAILS_HEADER,
  HublineError,
  MessageType,
  type Completion,
  type ErrorCode,
  type Invocation,
  type StreamInvocation,
} from '@hubline/protocol';
import type { Upload } from './upload.ts';

/** The error of a failed call, as the client gets it. */
export interface Failure {
  /** SignalR's text. */
  readonly text: string;
  readonly code: ErrorCode;
  readonly details?: object;
}

/** The connection, as a call uses it. */
export interface CallOwner {
  /** @throws HublineError `not_encodable` */
  send(message: Completion | { readonly type: typeof MessageType.StreamItem; readonly invocationId: string; readonly item: unknown }): void;
  /** Undefined while the client keeps up; otherwise settles when it has caught up. */
  whenWritable(): Promise<void> | undefined;
  /** The call gives up its turn: the next call may start. */
  started(call: IncomingCall): void;
  ended(call: IncomingCall): void;
}

/** One call of a client, from its arrival to its completion. */
export class IncomingCall {
  readonly message: Invocation | StreamInvocation;
  readonly uploads: readonly Upload[];
  /** Kept by {@link IncomingCalls}: whether the call holds a turn, or gave it up and goes on. */
  turn: 'awaited' | 'held' | 'given up' = 'awaited';
  /** Kept by {@link IncomingCalls}: estimated memory that it counts for the call while it waits for its turn, and while it is open. */
  queuedBytes = 0;
  openBytes = 0;
  readonly #port: CallOwner;
  /** The number of items that the client still accepts. Infinite for a client that grants no credit. */
  #credit: number;
  #granted: (() => void) | undefined;
  /** Milliseconds that the stream has waited for credit. */
  #starvedMs = 0;
  #abort: AbortController | undefined;
  #cancelled: Error | undefined;
  #ended = false;

  constructor(message: Invocation | StreamInvocation, uploads: readonly Upload[], port: CallOwner) {
    this.message = message;
    this.uploads = uploads;
    this.#port = port;
    const credit = message.headers ? Number(message.headers[CREDIT_HEADER]) : Infinity;
    this.#credit = Number.isSafeInteger(credit) && credit > 0 ? credit : Infinity;
  }

  /** The invocation id. Undefined if the client does not wait for the call's end. As in ASP.NET Core, an empty id is none. */
  get id(): string | undefined {
    return this.message.invocationId || undefined;
  }
  /** The number of streams that the client announced. Unless the method takes exactly as many, none is opened. */
  get sentUploads(): number {
    return this.message.streamIds?.length ?? 0;
  }
  get isStream(): boolean {
    return this.message.type === MessageType.StreamInvocation;
  }
  /** Whether the call has streams, in either direction. */
  get isStreaming(): boolean {
    return this.isStream || this.uploads.length > 0;
  }
  get isOver(): boolean {
    return this.#ended || this.#cancelled !== undefined;
  }

  /** Aborts when the client cancels or disconnects. Created on first use: most methods do not need it. */
  get signal(): AbortSignal {
    if (!this.#abort) {
      this.#abort = new AbortController();
      if (this.#cancelled) this.#abort.abort(this.#cancelled);
    }
    return this.#abort.signal;
  }

  cancel(reason: Error): void {
    this.#cancelled ??= reason;
    this.#abort?.abort(this.#cancelled);
    this.#granted?.();
  }

  grant(credit: number): void {
    this.#credit += credit;
    if (credit > 0) this.#starvedMs = 0;
    if (this.#credit > 0) this.#granted?.();
  }

  /** Counts the time without credit. A stream that waits longer than `timeoutMs` fails. */
  heartbeat(ms: number, timeoutMs: number): void {
    if (this.#credit > 0 || !this.#granted || this.isOver) return;
    this.#starvedMs += ms;
    if (this.#starvedMs < timeoutMs) return;
    const text = `The client gave the stream of '${this.message.target}' no credit for ${timeoutMs} ms.`;
    this.fail({ text, code: 'timed_out', details: { timeoutMs } });
    this.cancel(new HublineError('timed_out', text, { timeoutMs }));
  }

  started(): void {
    this.#port.started(this);
  }

  /** Undefined if the next item may be sent now; otherwise settles when it may be, or when the call is over. */
  whenRoom(): Promise<void> | undefined {
    if (this.#credit > 0 || this.isOver) return this.#port.whenWritable();
    return new Promise((resolve) => (this.#granted = resolve));
  }

  /** @throws HublineError `not_encodable` */
  item(item: unknown): void {
    if (this.#ended || this.id === undefined) return;
    this.#credit--;
    this.#port.send({ type: MessageType.StreamItem, invocationId: this.id, item: item ?? null });
  }

  /** @throws HublineError `not_encodable`; the call is then still open, and must be failed. */
  complete(...result: [] | [unknown]): void {
    // The result of a method that returns nothing is null, as in SignalR; the completion of a stream has no result.
    this.#end(result.length > 0 ? { result: result[0] ?? null } : {});
  }

  fail({ text, code, details }: Failure): void {
    const headers = { [CODE_HEADER]: code, ...(details ? { [DETAILS_HEADER]: JSON.stringify(details) } : {}) };
    this.#end({ headers, error: text });
  }

  #end(outcome: Pick<Completion, 'headers' | 'result' | 'error'>): void {
    if (this.#ended) return;
    if (this.id !== undefined) this.#port.send({ type: MessageType.Completion, invocationId: this.id, ...outcome });
    this.#ended = true;
    for (const upload of this.uploads) upload.discard();
    this.#port.ended(this);
  }
}

export const cancelledByClient = (method: string): HublineError<'cancelled'> =>
  new HublineError('cancelled', `The caller of '${method}' has cancelled it.`, { method });
