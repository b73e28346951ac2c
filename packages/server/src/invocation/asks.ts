import { asError, HublineError, isHublineError, type ErrorCode } from '@hubline/protocol';
import { EnvelopeKind, type NodeInfo, type Messenger, type ProcessId } from '../backplane/index.ts';
import type { Nodes } from '../presence/index.ts';

/** What one node asks of another. `op` names who answers. */
export interface Question {
  readonly op: string;
  /** A JSON value; what it holds depends on the op. */
  readonly params: object;
  readonly body?: Uint8Array;
  /** It is sent to a lost process too: where that was only frozen, it answers when it goes on. Default false. */
  readonly evenIfLost?: boolean;
}

interface AskHeader {
  readonly id: number;
  readonly op: string;
  readonly params: object;
}

interface ReplyHeader {
  readonly id: number;
  /** Nothing follows. */
  readonly last?: boolean;
  readonly value?: unknown;
  readonly error?: { readonly code: ErrorCode; readonly message: string };
}

/** What an asked node says, once or several times. */
export interface Reply {
  /** A JSON value. */
  readonly value: unknown;
  /** Nothing follows. */
  readonly last: boolean;
  readonly body: Uint8Array;
}

/** Whoever asked. */
export interface Asker {
  /** After the last one, nothing follows. */
  reply(reply: Reply): void;
  /** Nothing follows. `node_lost`, `connection_gone`, `unsupported_version`, `backplane_unavailable`, or what the node said. */
  failed(error: HublineError): void;
}

/**
 * Answers one op: replies as often as it likes, the last time with `last`. Returns what to do when the asker gives up or
 * is lost before that.
 */
export type Answerer<P extends object> = (
  question: ReceivedQuestion<P>,
  reply: (value: unknown, last: boolean, body?: Uint8Array) => void,
) => (() => void) | undefined;

export interface ReceivedQuestion<P extends object> {
  readonly params: P;
  readonly body: Uint8Array;
}

export interface AsksOptions {
  readonly messenger: Messenger;
  readonly nodes: Nodes;
  readonly report: (error: unknown) => void;
}

/** Questions between nodes: the one mechanism under calls, remote membership and disconnects. */
export class Asks {
  readonly #options: AsksOptions;
  readonly #open = new Map<number, { readonly process: ProcessId; readonly asker: Asker }>();
  readonly #answerers = new Map<string, Answerer<object>>();
  /** What is being answered, by asker and id, with what ends it early. */
  readonly #serving = new Map<ProcessId, Map<number, () => void>>();
  #nextId = 1;

  constructor(options: AsksOptions) {
    this.#options = options;
    options.messenger.on<AskHeader>(EnvelopeKind.ask, (header, body, from) => this.#serve(header, body, from));
    options.messenger.on<ReplyHeader>(EnvelopeKind.reply, (header, body) => this.#replied(header, body));
    options.messenger.on<AskHeader>(EnvelopeKind.cancel, ({ id }, _body, from) => this.#cancelled(id, from));
    options.messenger.on(EnvelopeKind.refused, (_header, _body, from) => this.#refused(from));
  }

  /** Whether anything is still open, either way. */
  get size(): number {
    return this.#open.size + [...this.#serving.values()].reduce((sum, served) => sum + served.size, 0);
  }

  answer<P extends object>(op: string, answerer: Answerer<P>): void {
    this.#answerers.set(op, answerer as Answerer<object>);
  }

  /** Returns how to give up: the node is told, and the asker hears nothing more. */
  ask(process: ProcessId, { op, params, body, evenIfLost = false }: Question, asker: Asker): () => void {
    const { messenger, nodes, report } = this.#options;
    const id = this.#nextId++;
    this.#open.set(id, { process, asker });
    if (!nodes.get(process) && !evenIfLost) {
      queueMicrotask(() => this.#fail(id, nodeLost(process)));
    } else {
      const header: AskHeader = { id, op, params };
      const envelope = { kind: EnvelopeKind.ask, header, ...(body ? { body } : {}) };
      messenger.tell(process, envelope, { expectsAnswer: true }).catch((cause: unknown) => {
        this.#fail(id, new HublineError('backplane_unavailable', asError(cause).message, { local: 0 }, { cause }));
      });
    }
    return () => {
      if (!this.#open.delete(id)) return;
      messenger.tell(process, { kind: EnvelopeKind.cancel, header: { id } }).catch(report);
    };
  }

  /** A process is gone: what it was asked fails, what it asked is ended. */
  lost({ process, nodeId }: NodeInfo): void {
    for (const [id, open] of this.#open) if (open.process === process) this.#fail(id, nodeLost(nodeId));
    for (const end of this.#serving.get(process)?.values() ?? []) end();
    this.#serving.delete(process);
  }

  close(): void {
    const error = new HublineError('shutdown', 'This node is going away.', {});
    for (const id of this.#open.keys()) this.#fail(id, error);
    for (const served of this.#serving.values()) for (const end of served.values()) end();
    this.#serving.clear();
  }

  #refused(process: ProcessId): void {
    const error = new HublineError(
      'unsupported_version',
      `Node '${this.#options.nodes.nameOf(process)}' does not speak this node's version.`,
      { version: 1 },
    );
    for (const [id, open] of this.#open) if (open.process === process) this.#fail(id, error);
  }

  #replied({ id, value, error, last = false }: ReplyHeader, body: Uint8Array): void {
    const open = this.#open.get(id);
    if (!open) return; // the asker has given up
    if (error) return this.#fail(id, new HublineError<ErrorCode>(error.code, error.message, {}));
    if (last) this.#open.delete(id);
    open.asker.reply({ value, last, body });
  }

  #fail(id: number, error: HublineError): void {
    const open = this.#open.get(id);
    this.#open.delete(id);
    open?.asker.failed(error);
  }

  #serve({ id, op, params }: AskHeader, body: Uint8Array, from: ProcessId): void {
    const served = this.#servedFor(from);
    const reply = (header: ReplyHeader, replyBody?: Uint8Array): void => {
      if (header.last) served.delete(id);
      const envelope = { kind: EnvelopeKind.reply, header, ...(replyBody ? { body: replyBody } : {}) };
      this.#options.messenger.tell(from, envelope).catch(this.#options.report);
    };
    served.set(id, () => undefined);
    try {
      const answerer = this.#answerers.get(op);
      if (!answerer) throw new HublineError('unknown_method', `This node does not know the question '${op}'.`, { method: op });
      const end = answerer({ params, body }, (value, last, replyBody) => reply({ id, value, last }, replyBody));
      if (end && served.has(id)) served.set(id, end);
    } catch (error) {
      const { code, message } = isHublineError(error) ? error : { code: 'internal' as const, message: asError(error).message };
      reply({ id, last: true, error: { code, message } });
    }
  }

  #servedFor(from: ProcessId): Map<number, () => void> {
    let served = this.#serving.get(from);
    if (!served) this.#serving.set(from, (served = new Map<number, () => void>()));
    return served;
  }

  #cancelled(id: number, from: ProcessId): void {
    const served = this.#serving.get(from);
    served?.get(id)?.();
    served?.delete(id);
  }
}

const nodeLost = (nodeId: string): HublineError<'node_lost'> => new HublineError('node_lost', `Node '${nodeId}' is gone.`, { nodeId });
