import { HublineError, type Completion, type Invocation, type StreamInvocation, type StreamItem } from '@hubline/protocol';
import { cancelledByClient, IncomingCall, type CallPort } from './incoming-call.ts';
import type { Backpressure } from './backpressure.ts';
import { Upload } from './upload.ts';

export interface CallLimits {
  /** Calls of one connection that run at the same time. Default 1: one after the other, in order. */
  readonly maxParallelCalls: number;
  /**
   * Calls that wait for their turn before the client is no longer read. What it had sent by then is taken all the same, up to 64
   * times as many; more end the connection.
   */
  readonly maxQueuedCalls: number;
  /** Calls with streams, downloads and uploads, that a client may have open. More end the connection. */
  readonly maxOpenCalls: number;
  /** Items of an upload that wait for the method before the client is no longer read. */
  readonly uploadCapacity: number;
}

export interface IncomingCallsOptions {
  readonly limits: CallLimits;
  readonly backpressure: Backpressure;
  readonly port: Pick<CallPort, 'send' | 'whenWritable'>;
  readonly run: (call: IncomingCall) => void;
  readonly isClosed: () => boolean;
}

/**
 * A buffer grows beyond its limit by what was on its way when the reading stopped, and as long as a method waits for an answer
 * of this same client, since it goes on being read. Beyond this factor something is wrong.
 */
const RUNAWAY = 64;

/**
 * The calls of one client. They start in order; a plain call holds its turn until it has ended, a call with streams
 * until it has started, since its end may depend on what comes after it.
 */
export class IncomingCalls {
  readonly #limits: CallLimits;
  readonly #backpressure: Backpressure;
  readonly #run: (call: IncomingCall) => void;
  readonly #isClosed: () => boolean;
  readonly #port: CallPort;
  /** All that have not ended. */
  readonly #calls = new Set<IncomingCall>();
  /** Those of them that somebody waits for, by invocation id. */
  readonly #open = new Map<string, IncomingCall>();
  readonly #uploads = new Map<string, Upload>();
  readonly #holding = new Set<IncomingCall>();
  #queue: IncomingCall[] = [];
  #queueIsFull = false;
  #streaming = 0;
  #begun = false;
  #starting = false;

  constructor({ limits, backpressure, port, run, isClosed }: IncomingCallsOptions) {
    this.#limits = limits;
    this.#backpressure = backpressure;
    this.#run = run;
    this.#isClosed = isClosed;
    this.#port = {
      send: port.send,
      whenWritable: port.whenWritable,
      started: (call) => this.#release(call),
      ended: (call) => this.#ended(call),
    };
  }

  /** Whether a call holds its turn: the client is then not expected to be heard. */
  get busy(): boolean {
    return this.#holding.size > 0;
  }

  /** @throws HublineError `limit_exceeded` */
  arrive(message: Invocation | StreamInvocation): void {
    const { invocationId: id, streamIds = [] } = message;
    const uploads = streamIds.map((streamId) => this.#openUpload(streamId));
    const call = new IncomingCall(message, uploads, this.#port);
    const { maxOpenCalls, maxQueuedCalls } = this.#limits;
    if (isStreaming(call) && this.#streaming >= maxOpenCalls) throw limitExceeded('maxOpenCalls', maxOpenCalls);
    if (this.#queue.length >= maxQueuedCalls * RUNAWAY) throw limitExceeded('maxQueuedCalls', maxQueuedCalls * RUNAWAY);
    if (id !== undefined) {
      if (this.#open.has(id)) return call.fail({ text: `Invocation ID '${id}' is already in use.`, code: 'invalid_message' });
      this.#open.set(id, call);
    }
    this.#calls.add(call);
    if (isStreaming(call)) this.#streaming++;
    this.#queue.push(call);
    this.#next();
    this.#holdWhileFull();
  }

  item({ invocationId, item }: StreamItem): void {
    const upload = this.#uploads.get(invocationId);
    upload?.push(item);
    const most = this.#limits.uploadCapacity * RUNAWAY;
    if (upload && upload.length > most) throw limitExceeded('uploadCapacity', most);
  }

  /** True where the completion ended an upload. */
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

  /** Calls queue, and none starts, until this is called: `connected` runs first. */
  begin(): void {
    this.#begun = true;
    this.#next();
    this.#holdWhileFull();
  }

  /** The client is gone: what runs is told, what waits is dropped. */
  close(reason: Error): void {
    this.#queue = [];
    for (const upload of this.#uploads.values()) upload.end(reason);
    for (const call of this.#calls) call.cancel(reason);
    this.#calls.clear();
    this.#open.clear();
    this.#holding.clear();
    this.#uploads.clear();
  }

  /** @throws HublineError `invalid_message` */
  #openUpload(streamId: string): Upload {
    if (this.#uploads.has(streamId)) {
      const text = `Stream ID '${streamId}' is already in use.`;
      throw new HublineError('invalid_message', text, { why: text }); // nobody could say any more whose items come
    }
    const upload = new Upload(this.#limits.uploadCapacity, this.#backpressure);
    this.#uploads.set(streamId, upload);
    return upload;
  }

  #next(): void {
    if (this.#starting) return; // a call that ends at once comes back here; the loop below goes on
    this.#starting = true;
    while (this.#begun && !this.#isClosed() && this.#holding.size < this.#limits.maxParallelCalls) {
      const call = this.#queue.shift();
      if (!call) break;
      this.#holding.add(call);
      this.#run(call);
    }
    this.#starting = false;
  }

  #release(call: IncomingCall): void {
    if (!this.#holding.delete(call)) return;
    this.#next();
    this.#holdWhileFull();
  }

  #ended(call: IncomingCall): void {
    if (this.#calls.delete(call) && isStreaming(call)) this.#streaming--;
    if (call.id !== undefined && this.#open.get(call.id) === call) this.#open.delete(call.id);
    for (const streamId of call.message.streamIds ?? []) this.#uploads.delete(streamId);
    this.#release(call);
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

function limitExceeded(limit: string, max: number): HublineError<'limit_exceeded'> {
  return new HublineError('limit_exceeded', `The client exceeded ${limit} (${max}).`, { limit, max });
}
