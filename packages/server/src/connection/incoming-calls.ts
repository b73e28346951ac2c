import { HublineError, type Completion, type Invocation, type StreamInvocation, type StreamItem } from '@hubline/protocol';
import type { Backpressure } from './backpressure.ts';
import { costOf } from './cost.ts';
import { cancelledByClient, IncomingCall, type CallOwner } from './incoming-call.ts';
import { OpenCalls } from './open-calls.ts';
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

/** Estimated memory of a call besides its message. */
const CALL_BYTES = 512;
const NO_STREAMS: readonly never[] = [];

/**
 * The calls of one client. They start in order. A plain call holds its turn until it has ended; a call with streams holds it until it has
 * started, since its end may depend on later messages.
 */
export class IncomingCalls implements CallOwner {
  readonly #limits: IncomingCallsOptions['limits'];
  readonly #backpressure: Backpressure;
  readonly #connection: CallingConnection;
  readonly #open = new OpenCalls();
  /** The open uploads by stream id. Most clients have none. */
  #uploads: Map<string, Upload> | undefined;
  /** The number of calls that hold a turn. */
  #holding = 0;
  /** The memory of the messages of calls with streams. */
  #streamingBytes = 0;
  /** Plain calls that gave up their turn because they invoke clients, and the memory of their messages. */
  #invoking = 0;
  #invokingBytes = 0;
  #queue: IncomingCall[] = [];
  #queueIsFull = false;
  #isStarted = false;
  #starting = false;

  constructor({ limits, backpressure, connection }: IncomingCallsOptions) {
    this.#limits = limits;
    this.#backpressure = backpressure;
    this.#connection = connection;
  }

  /** Whether a call holds a turn: the client's messages may then be unread, so its silence is not counted. */
  get hasRunning(): boolean {
    return this.#holding > 0;
  }

  get isStarted(): boolean {
    return this.#isStarted;
  }

  receive(message: Invocation | StreamInvocation): void {
    const { streamIds = NO_STREAMS } = message;
    // Checked before anything is allocated: a message can hold thousands of ids.
    const opened = streamIds.length === this.#connection.uploadsOf(message.target) ? streamIds : NO_STREAMS;
    const uploads = opened.length === 0 ? NO_STREAMS : opened.map(() => new Upload(this.#limits.uploadCapacity, this.#backpressure));
    const call = new IncomingCall(message, uploads, this);
    if (this.#refuses(call)) return;
    opened.forEach((streamId, at) => this.#openUpload(streamId, uploads[at]!));
    this.#open.add(call);
    this.#queue.push(call);
    this.#startNext();
    // Most calls start at once: only those that wait are measured.
    if (this.#queue.at(-1) === call) this.#backpressure.spend((call.queuedBytes = CALL_BYTES + costOf(message)));
    this.#holdWhileFull();
  }

  item({ invocationId, item }: StreamItem): void {
    this.#uploads?.get(invocationId)?.push(item);
  }

  /** Ends the upload of this id. Returns false if there is none: the message is then the completion of an invocation. */
  endUpload({ invocationId, error }: Completion): boolean {
    const upload = this.#uploads?.get(invocationId);
    if (!upload) return false;
    this.#uploads?.delete(invocationId);
    upload.end(error === undefined ? undefined : new HublineError('hub_error', error, {}));
    return true;
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
    return this.#open.size;
  }

  /** Starts the queue. Until then calls wait, because `connected` runs first. */
  start(): void {
    this.#isStarted = true;
    this.#update();
  }

  /** Fails the streams whose client has given no credit for too long. */
  heartbeat(ms: number, creditTimeoutMs: number): void {
    if (this.#open.streaming.length === 0) return;
    for (const call of [...this.#open.streaming]) call.heartbeat(ms, creditTimeoutMs); // copied, as a call that fails leaves the list
  }

  /** Aborts the running calls and drops the queued ones, since the client has disconnected. */
  close(reason: Error): void {
    this.#queue = [];
    if (this.#uploads) for (const upload of this.#uploads.values()) upload.end(reason);
    for (const call of this.#open.clear()) call.cancel(reason);
    this.#uploads = undefined;
    this.#holding = this.#invoking = 0;
  }

  /** A call sends its completion or an item. @throws HublineError `not_encodable` */
  send(message: Parameters<CallOwner['send']>[0]): void {
    this.#connection.write(message);
  }

  whenWritable(): Promise<void> | undefined {
    return this.#connection.whenWritable();
  }

  /** Fails a call that cannot be accepted, and returns true. Otherwise counts the memory of a call with streams. */
  #refuses(call: IncomingCall): boolean {
    const { id, message } = call;
    if (id !== undefined && this.#open.get(id)) {
      call.fail({ text: `Invocation ID '${id}' is already in use.`, code: 'invalid_message' });
      return true;
    }
    if (!call.isStreaming) return false;
    const { maxOpenCalls, maxQueuedBytes } = this.#limits;
    const bytes = costOf(message); // `maxOpenCalls` bounds the memory besides the message
    if (this.#open.streaming.length >= maxOpenCalls) return refuse(call, 'maxOpenCalls', maxOpenCalls);
    if (this.#streamingBytes + bytes > maxQueuedBytes) return refuse(call, 'maxQueuedBytes', maxQueuedBytes);
    call.openBytes = bytes;
    this.#streamingBytes += bytes;
    return false;
  }

  /** Opens an upload. As in ASP.NET Core, items of an id that is used again belong to the newer stream. */
  #openUpload(streamId: string, upload: Upload): void {
    const uploads = (this.#uploads ??= new Map<string, Upload>());
    uploads.get(streamId)?.end(new HublineError('hub_error', `Stream ID '${streamId}' was used again.`, {}));
    uploads.set(streamId, upload);
  }

  /** Whether another call may start. Calls that wait for answers of clients count too. */
  get #mayStart(): boolean {
    const { maxParallelCalls, maxOpenCalls, maxQueuedBytes } = this.#limits;
    return this.#holding < maxParallelCalls && this.#invoking < maxOpenCalls && this.#invokingBytes <= maxQueuedBytes;
  }

  #startNext(): void {
    if (this.#starting) return; // a call that ends at once re-enters here, and the loop below continues
    this.#starting = true;
    while (this.#isStarted && !this.#connection.isClosed && this.#mayStart) {
      const call = this.#queue.shift();
      if (!call) break;
      call.turn = 'held';
      this.#holding++;
      this.#connection.run(call);
      this.#backpressure.free(call.queuedBytes);
    }
    this.#starting = false;
  }

  /** Takes the turn from a call that continues. */
  started(call: IncomingCall): void {
    if (call.turn !== 'held' || this.#connection.isClosed) return;
    call.turn = 'given up';
    this.#holding--;
    if (!call.isStreaming) {
      call.openBytes = costOf(call.message);
      this.#invoking++;
      this.#invokingBytes += call.openBytes;
    }
    this.#update();
  }

  ended(call: IncomingCall): void {
    if (this.#connection.isClosed) return; // `close` has removed all calls
    this.#open.delete(call);
    call.uploads.forEach((upload, at) => this.#closeUpload(call.message.streamIds?.[at], upload));
    const { turn } = call;
    if (call.isStreaming) this.#streamingBytes -= call.openBytes;
    else if (turn === 'given up') {
      this.#invoking--;
      this.#invokingBytes -= call.openBytes;
    }
    if (turn === 'held') this.#holding--;
    if (turn === 'held' || (turn === 'given up' && !call.isStreaming)) this.#update();
  }

  /** Removes an upload, unless its id was used again. */
  #closeUpload(streamId: string | undefined, upload: Upload): void {
    if (streamId !== undefined && this.#uploads?.get(streamId) === upload) this.#uploads.delete(streamId);
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

function refuse(call: IncomingCall, limit: string, max: number): true {
  call.fail({ text: `The client exceeded ${limit} (${max}).`, code: 'limit_exceeded', details: { limit, max } });
  return true;
}
