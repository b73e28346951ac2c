import { HublineError, type Completion, type Invocation, type StreamInvocation, type StreamItem } from '@hubline/protocol';
import { cancelledByClient, IncomingCall, type CallPort } from './incoming-call.ts';
import type { Intake } from './intake.ts';
import { Upload } from './upload.ts';

export interface CallLimits {
  /** Calls of one connection that run at the same time. Default 1: one after the other, in order. */
  readonly maxParallelCalls: number;
  /** Calls that wait for their turn before the client is no longer read. */
  readonly maxQueuedCalls: number;
  /** Calls, streams included, that a client may have open. More end the connection. */
  readonly maxOpenCalls: number;
  /** Items of an upload that wait for the method before the client is no longer read. */
  readonly uploadCapacity: number;
}

export interface IncomingCallsOptions {
  readonly limits: CallLimits;
  readonly intake: Intake;
  readonly port: Pick<CallPort, 'send' | 'whenWritable'>;
  readonly run: (call: IncomingCall) => void;
  readonly isClosed: () => boolean;
}

/** An upload whose method waits for an answer of this same client may grow by this factor; then something is wrong. */
const RUNAWAY = 64;

/**
 * The calls of one client. They start in order; a plain call holds its turn until it has ended, a call with streams
 * until it has started, since its end may depend on what comes after it.
 */
export class IncomingCalls {
  readonly #limits: CallLimits;
  readonly #intake: Intake;
  readonly #run: (call: IncomingCall) => void;
  readonly #isClosed: () => boolean;
  readonly #port: CallPort;
  readonly #open = new Map<string, IncomingCall>();
  readonly #uploads = new Map<string, Upload>();
  readonly #holding = new Set<IncomingCall>();
  #queue: IncomingCall[] = [];
  #queueIsFull = false;
  #begun = false;
  #starting = false;

  constructor({ limits, intake, port, run, isClosed }: IncomingCallsOptions) {
    this.#limits = limits;
    this.#intake = intake;
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
    if (this.#open.size + this.#queue.length >= this.#limits.maxOpenCalls) throw limitExceeded('maxOpenCalls', this.#limits.maxOpenCalls);
    if (id !== undefined) {
      if (this.#open.has(id)) return call.fail({ text: `Invocation ID '${id}' is already in use.`, code: 'invalid_message' });
      this.#open.set(id, call);
    }
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
    for (const call of this.#queue.splice(0)) call.cancel(reason);
    for (const upload of this.#uploads.values()) upload.end(reason);
    for (const call of [...this.#open.values(), ...this.#holding]) call.cancel(reason);
    this.#open.clear();
    this.#holding.clear();
    this.#uploads.clear();
  }

  #openUpload(streamId: string): Upload {
    const upload = new Upload(this.#limits.uploadCapacity, this.#intake);
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
    if (call.id !== undefined && this.#open.get(call.id) === call) this.#open.delete(call.id);
    for (const streamId of call.message.streamIds ?? []) this.#uploads.delete(streamId);
    this.#release(call);
  }

  #holdWhileFull(): void {
    const full = this.#queue.length > this.#limits.maxQueuedCalls;
    if (full === this.#queueIsFull) return;
    this.#queueIsFull = full;
    if (full) this.#intake.hold();
    else this.#intake.release();
  }
}

function limitExceeded(limit: string, max: number): HublineError<'limit_exceeded'> {
  return new HublineError('limit_exceeded', `The client exceeded ${limit} (${max}).`, { limit, max });
}
