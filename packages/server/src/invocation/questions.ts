import { asError, given, HublineError, isHublineError, type ErrorCode } from '@hubline/protocol';
import { EnvelopeKind, read, type NodeInfo, type Messenger, type ProcessId, type Read } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';
import { Queue, type Nodes } from '../presence/index.ts';
import { Transit } from './transit.ts';

/** A question or a command from one node to another. `op` names the {@link Answerer}. */
export interface Question {
  readonly op: string;
  /** A JSON value; its fields depend on the op. */
  readonly params: object;
  readonly body?: Uint8Array;
}

export interface AskOptions {
  /** How long replies are waited for. A node that reads a question later than that does not answer it. */
  readonly timeoutMs: number;
  /** Cancels the question here and at the node that was asked. */
  readonly signal?: AbortSignal | undefined;
  /** A command rather than a question: it is sent to a lost process too, and carried out however late it is read. Default false. */
  readonly isCommand?: boolean;
}

export interface Reply {
  /** A JSON value. */
  readonly value: unknown;
  readonly body?: Uint8Array | undefined;
}

/** A question that was received, its params checked. */
export interface ReceivedQuestion<P> {
  readonly params: P;
  readonly body: Uint8Array;
  /** Aborts when its sender cancels or is lost, and when its time is over: no reply is read then. */
  readonly signal: AbortSignal;
}

/** Answers one op: sends any number of replies by `reply`, and returns the last one. An error that it throws is sent instead. */
export type Answerer<P> = (question: ReceivedQuestion<P>, reply: (reply: Reply) => void) => Promise<Reply>;

export interface QuestionsOptions {
  readonly self: ProcessId;
  readonly messenger: Messenger;
  readonly nodes: Nodes;
  readonly clock: Clock;
  readonly report: (error: unknown) => void;
}

/** A question that waits for replies. */
interface Open {
  readonly process: ProcessId;
  readonly question: Question;
  readonly replies: Queue<Reply>;
  /** The deadline by the local clock; undefined for a command. */
  readonly endsAt: number | undefined;
  /** Stops the timer, and removes the listener from the signal. */
  readonly release: () => void;
}

const readQuestion = read.fields({
  id: read.count,
  op: read.text,
  params: read.object,
  sentAt: read.optional(read.number),
  leftMs: read.optional(read.number),
  returnedAt: read.optional(read.number),
});
type QuestionHeader = ReturnType<typeof readQuestion>;

const readReply = read.fields({
  id: read.count,
  value: (value) => value,
  /** Marks the last reply. */
  last: read.optional(read.flag),
  error: read.optional(read.fields({ code: read.text, message: read.text, details: read.object })),
  /** Returns a question that may be late: a sender that still waits sends it again with this number. */
  returnedAt: read.optional(read.number),
});
type ReplyHeader = { readonly id: number } & Partial<Omit<ReturnType<typeof readReply>, 'id'>>;

const readCancel = read.fields({ id: read.count });

/** Questions between nodes: the one mechanism under calls to clients, remote membership and disconnects. */
export class Questions {
  readonly #options: QuestionsOptions;
  readonly #transit: Transit;
  readonly #open = new Map<number, Open>();
  readonly #answerers = new Map<string, (question: ReceivedQuestion<object>, reply: (reply: Reply) => void) => Promise<Reply>>();
  /** The questions that are being answered, by process and id, each with its abort controller. */
  readonly #answering = new Map<ProcessId, Map<number, AbortController>>();
  #nextId = 1;

  constructor(options: QuestionsOptions) {
    this.#options = options;
    const { messenger, clock } = options;
    this.#transit = new Transit(() => clock.elapsed());
    messenger.on(EnvelopeKind.ask, readQuestion, (header, body, from) => this.#receive(header, body, from));
    messenger.on(EnvelopeKind.reply, readReply, (header, body, from) => this.#replied(header, body, from));
    messenger.on(EnvelopeKind.cancel, readCancel, ({ id }, _body, from) => this.#cancelled(id, from));
    messenger.on(EnvelopeKind.refused, read.object, (_header, _body, from) => this.#refused(from));
  }

  /** The number of open questions, sent and received. */
  get size(): number {
    return this.#open.size + [...this.#answering.values()].reduce((sum, { size }) => sum + size, 0);
  }

  /** Registers the answerer of an op. `readParams` is the one decoder of the op's params. */
  answer<P extends object>(op: string, readParams: Read<P>, answerer: Answerer<P>): void {
    this.#answerers.set(op, async ({ params, ...question }, reply) => answerer({ ...question, params: readParams(params) }, reply));
  }

  /**
   * Sends the question at once, and yields its replies until the last one. Leaving the loop cancels it. @throws HublineError
   * `node_silent` when the time is over, `node_lost`, `backplane_unavailable`, `unsupported_version`, `cancelled`, `shutdown`, or what
   * the node answered
   */
  ask(process: ProcessId, question: Question, { timeoutMs, signal, isCommand = false }: AskOptions): AsyncIterable<Reply> {
    const { nodes, clock } = this.#options;
    const id = this.#nextId++;
    const abort = (): void => this.#giveUp(id, cancelled(question.op));
    const stopTimer = clock.after(timeoutMs, () => this.#giveUp(id, nodeSilent(nodes.nameOf(process), timeoutMs)));
    const release = (): void => {
      stopTimer();
      signal?.removeEventListener('abort', abort);
    };
    const endsAt = isCommand ? undefined : clock.elapsed() + timeoutMs;
    const open: Open = { process, question, replies: new Queue<Reply>(), endsAt, release };
    this.#open.set(id, open);
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) this.#end(id, cancelled(question.op));
    else if (!nodes.get(process) && !isCommand) this.#end(id, nodeLost(process));
    else this.#send(id, open);
    return this.#replies(id, open);
  }

  /** Fails the questions to a lost process, and aborts those from it. */
  lost({ process, nodeId }: NodeInfo): void {
    for (const [id, open] of this.#open) if (open.process === process) this.#end(id, nodeLost(nodeId));
    for (const answering of this.#answering.get(process)?.values() ?? []) answering.abort();
    this.#answering.delete(process);
    this.#transit.forget(process);
  }

  close(): void {
    const error = new HublineError('shutdown', 'This node is going away.', {});
    for (const id of this.#open.keys()) this.#end(id, error);
    for (const answering of this.#answering.values()) for (const one of answering.values()) one.abort();
    this.#answering.clear();
  }

  async *#replies(id: number, { replies }: Open): AsyncGenerator<Reply, void, undefined> {
    try {
      yield* replies.drain();
    } finally {
      this.#giveUp(id);
    }
  }

  #send(id: number, { process, question: { op, params, body }, endsAt }: Open, returnedAt?: number): void {
    const { messenger, clock } = this.#options;
    const now = clock.elapsed();
    // JSON has no Infinity: a question without an end has no `leftMs`.
    const leftMs = endsAt === undefined || endsAt === Infinity ? undefined : endsAt - now;
    const header = given({ id, op, params, sentAt: endsAt === undefined ? undefined : now, leftMs, returnedAt });
    const envelope = { kind: EnvelopeKind.ask, header, ...(body ? { body } : {}) };
    messenger.tell(process, envelope, { expectsAnswer: true }).catch((cause: unknown) => {
      this.#end(id, new HublineError('backplane_unavailable', asError(cause).message, { local: 0 }, { cause }));
    });
  }

  /** Ends a question here and at the node that was asked. */
  #giveUp(id: number, error?: HublineError): void {
    const { messenger, report } = this.#options;
    const process = this.#open.get(id)?.process;
    this.#end(id, error);
    if (process !== undefined) messenger.tell(process, { kind: EnvelopeKind.cancel, header: { id } }).catch(report);
  }

  #end(id: number, error?: HublineError): void {
    const open = this.#open.get(id);
    if (!open) return;
    this.#open.delete(id);
    open.release();
    open.replies.end(error);
  }

  #refused(process: ProcessId): void {
    const name = this.#options.nodes.nameOf(process);
    const error = new HublineError('unsupported_version', `Node '${name}' does not speak this node's version.`, { version: 1 });
    for (const [id, open] of this.#open) if (open.process === process) this.#end(id, error);
  }

  #replied({ id, value, last, error, returnedAt }: ReplyHeader, body: Uint8Array, from: ProcessId): void {
    const open = this.#open.get(id);
    if (open?.process !== from) return; // no reply is waited for any more
    if (returnedAt !== undefined) return this.#send(id, open, returnedAt);
    if (error) return this.#end(id, new HublineError(error.code as ErrorCode, error.message, error.details)); // as it was thrown
    open.replies.push({ value, body });
    if (last) this.#end(id);
  }

  #receive(header: QuestionHeader, body: Uint8Array, from: ProcessId): void {
    const { self, clock } = this.#options;
    const { id, sentAt, leftMs: givenMs = Infinity, returnedAt } = header;
    const answering = new AbortController();
    if (sentAt === undefined) {
      this.#answeringFor(from).set(id, answering);
      void this.#answer(header, body, { from, answering });
      return;
    }
    const leftMs = from === self ? givenMs : this.#transit.leftMs(from, { sentAt, leftMs: givenMs, returnedAt });
    if (leftMs === undefined) return this.#reply(from, { id, returnedAt: clock.elapsed() });
    this.#answeringFor(from).set(id, answering);
    const endsAt = clock.elapsed() + leftMs;
    const stopTimer = clock.after(leftMs, () => this.#cancelled(id, from));
    answering.signal.addEventListener('abort', stopTimer);
    // A cancel that arrived together with the question is read first.
    setImmediate(() => {
      if (answering.signal.aborted) return;
      if (clock.elapsed() >= endsAt) return this.#cancelled(id, from);
      void this.#answer(header, body, { from, answering }).finally(stopTimer);
    });
  }

  async #answer({ id, op, params }: QuestionHeader, body: Uint8Array, { from, answering }: Answering): Promise<void> {
    const reply = (header: ReplyHeader, replyBody?: Uint8Array): void => {
      if (!answering.signal.aborted) this.#reply(from, header, replyBody);
    };
    try {
      const answerer = this.#answerers.get(op);
      if (!answerer) throw new HublineError('unknown_method', `This node does not know the question '${op}'.`, { method: op });
      const question = { params, body, signal: answering.signal };
      const last = await answerer(question, (partial) => reply({ id, value: partial.value }, partial.body));
      reply({ id, value: last.value, last: true }, last.body);
    } catch (error) {
      reply({ id, error: failureOf(error) });
    } finally {
      this.#answering.get(from)?.delete(id);
    }
  }

  #reply(to: ProcessId, header: ReplyHeader, body?: Uint8Array): void {
    const envelope = { kind: EnvelopeKind.reply, header, ...(body ? { body } : {}) };
    this.#options.messenger.tell(to, envelope).catch(this.#options.report);
  }

  #answeringFor(from: ProcessId): Map<number, AbortController> {
    let answering = this.#answering.get(from);
    if (!answering) this.#answering.set(from, (answering = new Map<number, AbortController>()));
    return answering;
  }

  #cancelled(id: number, from: ProcessId): void {
    const answering = this.#answering.get(from);
    answering?.get(id)?.abort();
    answering?.delete(id);
  }
}

/** Converts a thrown value to an error that JSON can hold, for another node. */
function failureOf(error: unknown): { readonly code: string; readonly message: string; readonly details: object } {
  if (!isHublineError(error)) return { code: 'internal', message: asError(error).message, details: {} };
  const { code, message, details } = error;
  try {
    JSON.stringify(details);
    return { code, message, details };
  } catch {
    return { code, message, details: {} }; // details that hold a cycle are of no use elsewhere
  }
}

interface Answering {
  readonly from: ProcessId;
  readonly answering: AbortController;
}

const nodeLost = (nodeId: string): HublineError<'node_lost'> => new HublineError('node_lost', `Node '${nodeId}' is gone.`, { nodeId });

const nodeSilent = (nodeId: string, timeoutMs: number): HublineError<'node_silent'> =>
  new HublineError('node_silent', `Node '${nodeId}' did not answer within ${timeoutMs} ms.`, { nodeId });

const cancelled = (op: string): HublineError<'cancelled'> =>
  new HublineError('cancelled', `The question '${op}' was given up.`, { method: op });
