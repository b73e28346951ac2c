import { HublineError, type Completion, type Invocation, type StreamInvocation, type StreamItem } from '@hubline/protocol';
import type { Backpressure } from './backpressure.ts';
import { costOf } from './cost.ts';
import { cancelledByClient, IncomingCall, type CallOwner } from './incoming-call.ts';
import { Upload } from './upload.ts';

export interface CallLimits {
  /** Calls of one connection that run at the same time. Default 1: one after another, in order. */
  readonly maxParallelCalls: number;
  /** Calls that wait for their turn before the client is no longer read. Default 128. */
  readonly maxQueuedCalls: number;
  /**
   * Calls with streams, in either direction, that a client may have open; their arguments together may hold `maxQueuedBytes`. Default
   * 1024; a call beyond it is refused.
   */
  readonly maxOpenCalls: number;
  /** Items of an upload that wait for the method before the client is no longer read. Default 10. */
  readonly uploadCapacity: number;
}

/** The connection of the client, as its calls use it. */
export interface CallingConnection extends Pick<CallOwner, 'whenWritable'> {
  readonly isClosed: boolean;
  /** The number of streams that the method of this name takes. */
  uploadsOf(target: string): number;
  /** Starts a call whose turn has come. */
  run(call: IncomingCall): void;
  /** @throws HublineError `not_encodable` */
  write: CallOwner['send'];
}

export interface IncomingCallsOptions {
  readonly limits: CallLimits & { readonly maxQueuedBytes: number };
  readonly backpressure: Backpressure;
  readonly connection: CallingConnection;
}

/** A call that waits for its turn, and the memory that it holds meanwhile. */
interface QueuedCall {
  readonly call: IncomingCall;
  bytes: number;
}

/** Estimated memory of a call besides its message. */
const CALL_BYTES = 512;

/**
 * The calls of one client. They start in order. A plain call holds its turn until it has ended; a call with streams holds it until it has
 * started, since its end may depend on later messages.
 */
export class IncomingCalls {
  readonly #limits: IncomingCallsOptions['limits'];
  readonly #backpressure: Backpressure;
  readonly #connection: CallingConnection;
  readonly #port: CallOwner;
  /** The calls that have not ended. */
  readonly #calls = new Set<IncomingCall>();
  /** The open calls whose client waits for a completion, by invocation id. */
  readonly #open = new Map<string, IncomingCall>();
  readonly #uploads = new Map<string, Upload>();
  /** The calls that hold a turn. */
  readonly #holding = new Set<IncomingCall>();
  /** Calls with streams, and the memory of their messages. */
  readonly #streaming = new Map<IncomingCall, number>();
  #streamingBytes = 0;
  /** Plain calls that gave up their turn because they invoke clients, and the memory of their messages. */
  readonly #invoking = new Map<IncomingCall, number>();
  #invokingBytes = 0;
  #queue: QueuedCall[] = [];
  #queueIsFull = false;
  #isStarted = false;
  #starting = false;

  constructor({ limits, backpressure, connection }: IncomingCallsOptions) {
    this.#limits = limits;
    this.#backpressure = backpressure;
    this.#connection = connection;
    this.#port = {
      send: (message) => connection.write(message),
      whenWritable: () => connection.whenWritable(),
      started: (call) => this.#release(call),
      ended: (call) => this.#ended(call),
    };
  }

  /** Whether a call holds a turn: the client's messages may then be unread, so its silence is not counted. */
  get hasRunning(): boolean {
    return this.#holding.size > 0;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  receive(message: Invocation | StreamInvocation): void {
    const { streamIds = [] } = message;
    // Checked before anything is allocated: a message can hold thousands of ids.
    const opened = streamIds.length === this.#connection.uploadsOf(message.target) ? streamIds : [];
    const uploads = opened.map(() => new Upload(this.#limits.uploadCapacity, this.#backpressure));
    const call = new IncomingCall(message, uploads, this.#port);
    if (this.#refuses(call)) return;
    opened.forEach((streamId, at) => this.#openUpload(streamId, uploads[at]!));
    this.#calls.add(call);
    const queued: QueuedCall = { call, bytes: 0 };
    this.#queue.push(queued);
    this.#startNext();
    // Most calls start at once: only those that wait are measured.
    if (this.#queue.at(-1) === queued) this.#backpressure.spend((queued.bytes = CALL_BYTES + costOf(message)));
    this.#holdWhileFull();
  }

  item({ invocationId, item }: StreamItem): void {
    this.#uploads.get(invocationId)?.push(item);
  }

  /** Ends the upload of this id. Returns false if there is none: the message is then the completion of an invocation. */
  endUpload({ invocationId, error }: Completion): boolean {
    const upload = this.#uploads.get(invocationId);
    this.#uploads.delete(invocationId);
    upload?.end(error === undefined ? undefined : new HublineError('hub_error', error, {}));
    return upload !== undefined;
  }

  cancel(id: string): void {
    const call = this.#open.get(id);
    call?.cancel(cancelledByClient(call.message.target));
  }

  grant(id: string, credit: number): void {
    this.#open.get(id)?.grant(credit);
  }

  /** Calls that have not ended, streams among them. */
  get size(): number {
    return this.#calls.size;
  }

  /** Starts the queue. Until then calls wait, because `connected` runs first. */
  start(): void {
    this.#isStarted = true;
    this.#update();
  }

  /** Fails the streams whose client has given no credit for too long. */
  heartbeat(ms: number, creditTimeoutMs: number): void {
    for (const call of this.#streaming.keys()) call.heartbeat(ms, creditTimeoutMs);
  }

  /** Aborts the running calls and drops the queued ones, since the client has disconnected. */
  close(reason: Error): void {
    this.#queue = [];
    for (const upload of this.#uploads.values()) upload.end(reason);
    for (const call of this.#calls) call.cancel(reason);
    this.#calls.clear();
    this.#streaming.clear();
    this.#invoking.clear();
    this.#open.clear();
    this.#holding.clear();
    this.#uploads.clear();
  }

  /** Fails a call that cannot be accepted, and returns true. Otherwise registers it by its id and, if it has streams, among those. */
  #refuses(call: IncomingCall): boolean {
    const { id, message } = call;
    if (id !== undefined && this.#open.has(id)) {
      call.fail({ text: `Invocation ID '${id}' is already in use.`, code: 'invalid_message' });
      return true;
    }
    if (isStreaming(call)) {
      const { maxOpenCalls, maxQueuedBytes } = this.#limits;
      const bytes = costOf(message); // `maxOpenCalls` bounds the memory besides the message
      if (this.#streaming.size >= maxOpenCalls) return refuse(call, 'maxOpenCalls', maxOpenCalls);
      if (this.#streamingBytes + bytes > maxQueuedBytes) return refuse(call, 'maxQueuedBytes', maxQueuedBytes);
      this.#streaming.set(call, bytes);
      this.#streamingBytes += bytes;
    }
    if (id !== undefined) this.#open.set(id, call);
    return false;
  }

  /** Opens an upload. As in ASP.NET Core, items of an id that is used again belong to the newer stream. */
  #openUpload(streamId: string, upload: Upload): void {
    this.#uploads.get(streamId)?.end(new HublineError('hub_error', `Stream ID '${streamId}' was used again.`, {}));
    this.#uploads.set(streamId, upload);
  }

  /** Whether another call may start. Calls that wait for answers of clients count too. */
  get #mayStart(): boolean {
    const { maxParallelCalls, maxOpenCalls, maxQueuedBytes } = this.#limits;
    return this.#holding.size < maxParallelCalls && this.#invoking.size < maxOpenCalls && this.#invokingBytes <= maxQueuedBytes;
  }

  #startNext(): void {
    if (this.#starting) return; // a call that ends at once re-enters here, and the loop below continues
    this.#starting = true;
    while (this.#isStarted && !this.#connection.isClosed && this.#mayStart) {
      const queued = this.#queue.shift();
      if (!queued) break;
      this.#holding.add(queued.call);
      this.#connection.run(queued.call);
      this.#backpressure.free(queued.bytes);
    }
    this.#starting = false;
  }

  /** Takes the turn from a call that continues. */
  #release(call: IncomingCall): void {
    if (!this.#holding.delete(call)) return;
    if (!isStreaming(call)) {
      const bytes = costOf(call.message);
      this.#invoking.set(call, bytes);
      this.#invokingBytes += bytes;
    }
    this.#update();
  }

  #ended(call: IncomingCall): void {
    this.#calls.delete(call);
    this.#streamingBytes -= this.#streaming.get(call) ?? 0;
    this.#streaming.delete(call);
    this.#invokingBytes -= this.#invoking.get(call) ?? 0;
    const wasInvoking = this.#invoking.delete(call);
    if (call.id !== undefined && this.#open.get(call.id) === call) this.#open.delete(call.id);
    call.uploads.forEach((upload, at) => {
      const streamId = call.message.streamIds?.[at];
      if (streamId !== undefined && this.#uploads.get(streamId) === upload) this.#uploads.delete(streamId);
    });
    if (this.#holding.delete(call) || wasInvoking) this.#update();
  }

  #update(): void {
    this.#startNext();
    this.#holdWhileFull();
  }

  #holdWhileFull(): void {
    const full = this.#queue.length > this.#limits.maxQueuedCalls;
    if (full === this.#queueIsFull) return;
    this.#queueIsFull = full;
    if (full) this.#backpressure.hold();
    else this.#backpressure.release();
  }
}

const isStreaming = (call: IncomingCall): boolean => call.isStream || call.uploads.length > 0;

function refuse(call: IncomingCall, limit: string, max: number): true {
  call.fail({ text: `The client exceeded ${limit} (${max}).`, code: 'limit_exceeded', details: { limit, max } });
  return true;
}
