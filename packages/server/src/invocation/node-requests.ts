import { asError, given, HublineError, isHublineError, type ErrorCode } from '@hubline/protocol';
import { EnvelopeKind, read, type NodeInfo, type NodeMessenger, type ProcessId, type Read } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';
import { AsyncQueue, type ClusterNodes } from '../presence/index.ts';
import { ClockOffsets } from './clock-offsets.ts';

/** A request from one node to another. `op` selects the {@link RequestHandler}. */
export interface NodeRequest {
  readonly op: string;
  /** A JSON value; its fields depend on the op. */
  readonly params: object;
  readonly body?: Uint8Array;
}

export interface NodeRequestOptions {
  /** How long the sender waits for replies. A node that reads the request later does not handle it. */
  readonly timeoutMs: number;
  /** Cancels the request on both nodes. */
  readonly signal?: AbortSignal | undefined;
  /** Whether it is a remote command: it is sent also to a lost process, and carried out at any age. Default false. */
  readonly isCommand?: boolean;
}

export interface NodeReply {
  /** A JSON value. */
  readonly value: unknown;
  readonly body?: Uint8Array | undefined;
}

/** A received request, with checked params. */
export interface ReceivedRequest<P> {
  readonly params: P;
  readonly body: Uint8Array;
  /** Aborts when the sender cancels or is lost, and when the time is over: the sender then ignores replies. */
  readonly signal: AbortSignal;
}

/** Handles the requests of one op: sends any number of replies by `reply`, and returns the last one. A thrown error is sent instead. */
export type RequestHandler<P> = (request: ReceivedRequest<P>, reply: (reply: NodeReply) => void) => Promise<NodeReply>;

export interface NodeRequestsOptions {
  readonly self: ProcessId;
  readonly messenger: NodeMessenger;
  readonly nodes: ClusterNodes;
  readonly clock: Clock;
  readonly report: (error: unknown) => void;
}

/** A sent request that waits for replies. */
interface PendingRequest {
  readonly process: ProcessId;
  readonly request: NodeRequest;
  readonly replies: AsyncQueue<NodeReply>;
  /** The deadline by the local clock; undefined for a remote command. */
  readonly endsAt: number | undefined;
  /** Stops the timer, and removes the listener of the signal. */
  readonly release: () => void;
}

const readRequest = read.fields({
  id: read.count,
  op: read.text,
  params: read.object,
  sentAt: read.optional(read.number),
  leftMs: read.optional(read.number),
  returnedAt: read.optional(read.number),
});
type RequestHeader = ReturnType<typeof readRequest>;

const readReply = read.fields({
  id: read.count,
  value: (value) => value,
  /** Marks the last reply. */
  last: read.optional(read.flag),
  error: read.optional(read.fields({ code: read.text, message: read.text, details: read.object })),
  /** Returns a request that may be late. A sender that still waits sends it again with this number. */
  returnedAt: read.optional(read.number),
});
type ReplyHeader = { readonly id: number } & Partial<Omit<ReturnType<typeof readReply>, 'id'>>;

const readCancel = read.fields({ id: read.count });

/** Sends requests to other nodes, and handles received ones: calls to clients, and remote commands. */
export class NodeRequests {
  readonly #options: NodeRequestsOptions;
  readonly #offsets: ClockOffsets;
  readonly #pending = new Map<number, PendingRequest>();
  readonly #handlers = new Map<string, (request: ReceivedRequest<object>, reply: (reply: NodeReply) => void) => Promise<NodeReply>>();
  /** The requests in progress on this node, by process and id, each with its abort controller. */
  readonly #handling = new Map<ProcessId, Map<number, AbortController>>();
  #nextId = 1;

  constructor(options: NodeRequestsOptions) {
    this.#options = options;
    const { messenger, clock } = options;
    this.#offsets = new ClockOffsets(() => clock.elapsed());
    messenger.on(EnvelopeKind.request, readRequest, (header, body, from) => this.#receive(header, body, from));
    messenger.on(EnvelopeKind.reply, readReply, (header, body, from) => this.#replied(header, body, from));
    messenger.on(EnvelopeKind.cancel, readCancel, ({ id }, _body, from) => this.#abort(id, from));
    messenger.on(EnvelopeKind.refused, read.object, (_header, _body, from) => this.#refused(from));
  }

  /** The number of unfinished requests, sent and received. */
  get size(): number {
    return this.#pending.size + [...this.#handling.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Registers the handler of an op. `readParams` decodes the params. */
  handle<P extends object>(op: string, readParams: Read<P>, handler: RequestHandler<P>): void {
    this.#handlers.set(op, async ({ params, ...request }, reply) => handler({ ...request, params: readParams(params) }, reply));
  }

  /**
   * Sends the request at once, and yields the replies until the last one. Leaving the loop cancels the request. @throws HublineError
   * `node_silent` when the time is over, `node_lost`, `backplane_unavailable`, `unsupported_version`, `cancelled`, `shutdown`, or the
   * error that the node replied
   */
  send(process: ProcessId, request: NodeRequest, { timeoutMs, signal, isCommand = false }: NodeRequestOptions): AsyncIterable<NodeReply> {
    const { nodes, clock } = this.#options;
    const id = this.#nextId++;
    const abort = (): void => this.#cancel(id, cancelled(request.op));
    const stopTimer = clock.after(timeoutMs, () => this.#cancel(id, nodeSilent(nodes.nameOf(process), timeoutMs)));
    const release = (): void => {
      stopTimer();
      signal?.removeEventListener('abort', abort);
    };
    const endsAt = isCommand ? undefined : clock.elapsed() + timeoutMs;
    const pending: PendingRequest = { process, request, replies: new AsyncQueue<NodeReply>(), endsAt, release };
    this.#pending.set(id, pending);
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) this.#end(id, cancelled(request.op));
    else if (!nodes.get(process) && !isCommand) this.#end(id, nodeLost(process));
    else this.#send(id, pending);
    return this.#replies(id, pending);
  }

  /** Fails the requests to a lost process, and aborts those of that process. */
  lost({ process, nodeId }: NodeInfo): void {
    for (const [id, pending] of this.#pending) if (pending.process === process) this.#end(id, nodeLost(nodeId));
    for (const handling of this.#handling.get(process)?.values() ?? []) handling.abort();
    this.#handling.delete(process);
    this.#offsets.forget(process);
  }

  close(): void {
    const error = new HublineError('shutdown', 'This node is shutting down.', {});
    for (const id of this.#pending.keys()) this.#end(id, error);
    for (const handling of this.#handling.values()) for (const one of handling.values()) one.abort();
    this.#handling.clear();
  }

  async *#replies(id: number, { replies }: PendingRequest): AsyncGenerator<NodeReply, void, undefined> {
    try {
      yield* replies.drain();
    } finally {
      this.#cancel(id);
    }
  }

  #send(id: number, { process, request: { op, params, body }, endsAt }: PendingRequest, returnedAt?: number): void {
    const { messenger, clock } = this.#options;
    const now = clock.elapsed();
    // JSON has no Infinity: a request without a time limit has no `leftMs`.
    const leftMs = endsAt === undefined || endsAt === Infinity ? undefined : endsAt - now;
    const header = given({ id, op, params, sentAt: endsAt === undefined ? undefined : now, leftMs, returnedAt });
    const envelope = { kind: EnvelopeKind.request, header, ...(body ? { body } : {}) };
    messenger.send(process, envelope, { expectsReply: true }).catch((cause: unknown) => {
      this.#end(id, new HublineError('backplane_unavailable', asError(cause).message, { local: 0 }, { cause }));
    });
  }

  /** Ends a request on both nodes. */
  #cancel(id: number, error?: HublineError): void {
    const { messenger, report } = this.#options;
    const process = this.#pending.get(id)?.process;
    this.#end(id, error);
    if (process !== undefined) messenger.send(process, { kind: EnvelopeKind.cancel, header: { id } }).catch(report);
  }

  #end(id: number, error?: HublineError): void {
    const pending = this.#pending.get(id);
    if (!pending) return;
    this.#pending.delete(id);
    pending.release();
    pending.replies.end(error);
  }

  #refused(process: ProcessId): void {
    const name = this.#options.nodes.nameOf(process);
    const error = new HublineError('unsupported_version', `Node '${name}' does not speak the version of this node.`, { version: 1 });
    for (const [id, pending] of this.#pending) if (pending.process === process) this.#end(id, error);
  }

  #replied({ id, value, last, error, returnedAt }: ReplyHeader, body: Uint8Array, from: ProcessId): void {
    const pending = this.#pending.get(id);
    if (pending?.process !== from) return; // the request has ended
    if (returnedAt !== undefined) return this.#send(id, pending, returnedAt);
    if (error) return this.#end(id, new HublineError(error.code as ErrorCode, error.message, error.details)); // as the handler threw it
    pending.replies.push({ value, body });
    if (last) this.#end(id);
  }

  #receive(header: RequestHeader, body: Uint8Array, from: ProcessId): void {
    const { self, clock } = this.#options;
    const { id, sentAt, leftMs: givenMs = Infinity, returnedAt } = header;
    const handling = new AbortController();
    if (sentAt === undefined) {
      this.#handlingFor(from).set(id, handling);
      void this.#handle(header, body, { from, handling });
      return;
    }
    const leftMs = from === self ? givenMs : this.#offsets.leftMs(from, { sentAt, leftMs: givenMs, returnedAt });
    if (leftMs === undefined) return this.#reply(from, { id, returnedAt: clock.elapsed() });
    this.#handlingFor(from).set(id, handling);
    const endsAt = clock.elapsed() + leftMs;
    const stopTimer = clock.after(leftMs, () => this.#abort(id, from));
    handling.signal.addEventListener('abort', stopTimer);
    // Reads first a cancel that arrived together with the request.
    setImmediate(() => {
      if (handling.signal.aborted) return;
      if (clock.elapsed() >= endsAt) return this.#abort(id, from);
      void this.#handle(header, body, { from, handling }).finally(stopTimer);
    });
  }

  async #handle({ id, op, params }: RequestHeader, body: Uint8Array, { from, handling }: Handling): Promise<void> {
    const reply = (header: ReplyHeader, replyBody?: Uint8Array): void => {
      if (!handling.signal.aborted) this.#reply(from, header, replyBody);
    };
    try {
      const handler = this.#handlers.get(op);
      if (!handler) throw new HublineError('unknown_method', `This node does not know the request '${op}'.`, { method: op });
      const request = { params, body, signal: handling.signal };
      const last = await handler(request, (partial) => reply({ id, value: partial.value }, partial.body));
      reply({ id, value: last.value, last: true }, last.body);
    } catch (error) {
      reply({ id, error: failureOf(error) });
    } finally {
      this.#handling.get(from)?.delete(id);
    }
  }

  #reply(to: ProcessId, header: ReplyHeader, body?: Uint8Array): void {
    const envelope = { kind: EnvelopeKind.reply, header, ...(body ? { body } : {}) };
    this.#options.messenger.send(to, envelope).catch(this.#options.report);
  }

  #handlingFor(from: ProcessId): Map<number, AbortController> {
    let handling = this.#handling.get(from);
    if (!handling) this.#handling.set(from, (handling = new Map<number, AbortController>()));
    return handling;
  }

  #abort(id: number, from: ProcessId): void {
    const handling = this.#handling.get(from);
    handling?.get(id)?.abort();
    handling?.delete(id);
  }
}

/** Converts a thrown value to an error that JSON can encode. */
function failureOf(error: unknown): { readonly code: string; readonly message: string; readonly details: object } {
  if (!isHublineError(error)) return { code: 'internal', message: asError(error).message, details: {} };
  const { code, message, details } = error;
  try {
    JSON.stringify(details);
    return { code, message, details };
  } catch {
    return { code, message, details: {} }; // JSON cannot encode a cycle
  }
}

interface Handling {
  readonly from: ProcessId;
  readonly handling: AbortController;
}

const nodeLost = (nodeId: string): HublineError<'node_lost'> => new HublineError('node_lost', `Node '${nodeId}' is lost.`, { nodeId });

const nodeSilent = (nodeId: string, timeoutMs: number): HublineError<'node_silent'> =>
  new HublineError('node_silent', `Node '${nodeId}' did not answer within ${timeoutMs} ms.`, { nodeId });

const cancelled = (op: string): HublineError<'cancelled'> =>
  new HublineError('cancelled', `The request '${op}' was cancelled.`, { method: op });
