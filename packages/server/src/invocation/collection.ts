import { asError, HublineError } from '@hubline/protocol';
import type { Answer, ProcessId } from '../backplane/index.ts';
import type { Clock } from '../connection/index.ts';
import { Queue, Shortfalls, unreachable, type Census, type Nodes } from '../presence/index.ts';
import type { Codecs, Selector } from '../membership/index.ts';
import { readAnswers } from './answers.ts';
import type { Asks, Question, Reply } from './asks.ts';
import type { ClientAnswers } from './client-asker.ts';
import { outcomeOf, type Outcome, type RejectionCode, type Settled } from './outcome.ts';

/** How everybody answered: awaited, all of it; iterated, as it comes. Leaving the loop gives up on the others. */
export interface Outcomes<T> extends AsyncIterable<Outcome<T>>, PromiseLike<readonly Outcome<T>[]> {
  /**
   * Nodes that could not be asked, or whose clients could not even be named. Settles with the last outcome. Rejects
   * `backplane_unavailable` where it could not be asked which nodes there are, and this node knows none: then it cannot name them.
   */
  readonly missingNodes: Promise<readonly string[]>;
}

export interface CollectionOptions {
  readonly asks: Asks;
  readonly census: Census;
  readonly nodes: Nodes;
  readonly clock: Clock;
  readonly codecs: Codecs;
  readonly selector: Selector;
  readonly method: string;
  readonly question: () => Question;
  /** The processes to ask, and the nodes that are missing among them. */
  readonly processes: () => Promise<Answer<readonly ProcessId[]>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

interface Part {
  readonly nodeId: string;
  readonly giveUp: () => void;
  /** Whom the node asked and who has not answered. Undefined until it has said so. */
  unsettled: Set<string> | undefined;
}

/** One call to many clients: every client of every node ends with exactly one outcome, at the deadline at the latest. */
export class Collection<T> implements Outcomes<T> {
  readonly missingNodes: Promise<readonly string[]>;
  /** Why a node could not be asked, where it is not lost: `backplane_unavailable`, `unsupported_version` … */
  failure: HublineError | undefined;
  /** Who could not be asked. */
  readonly shortfalls = new Shortfalls();
  readonly #options: CollectionOptions;
  readonly #parts = new Map<ProcessId, Part>();
  readonly #outcomes: Outcome<T>[] = [];
  readonly #queue = new Queue<Outcome<T>>();
  readonly #done: Promise<void>;
  #settle!: (error?: Error) => void;
  #isAsked = false;
  #isDone = false;

  constructor(options: CollectionOptions) {
    this.#options = options;
    this.#done = new Promise((resolve, reject) => (this.#settle = (error) => (error ? reject(error) : resolve())));
    this.#done.catch(() => undefined); // told to whoever awaits or iterates
    this.missingNodes = this.#done.then(() => {
      const { missing, isNameless } = this.shortfalls;
      if (isNameless) throw unreachable(missing, this.#outcomes.length);
      return missing;
    });
    this.missingNodes.catch(() => undefined); // likewise
    void this.#run();
  }

  then<A = readonly Outcome<T>[], B = never>(
    onFulfilled?: ((outcomes: readonly Outcome<T>[]) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#done.then(() => this.#outcomes).then(onFulfilled, onRejected);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Outcome<T>, void, undefined> {
    try {
      yield* this.#queue.drain();
    } finally {
      this.giveUp();
    }
  }

  /** Nobody wants the rest. */
  giveUp(): void {
    this.#end(new HublineError('cancelled', `The call of '${this.#options.method}' was given up.`, { method: this.#options.method }));
  }

  async #run(): Promise<void> {
    const { signal, clock, timeoutMs } = this.#options;
    const abort = (): void => this.giveUp();
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    const stopTimer = clock.after(timeoutMs, () => void this.#deadline());
    try {
      const processes = this.shortfalls.of(await this.#options.processes());
      const question = this.#options.question();
      this.#isAsked = true;
      if (!this.#isDone) for (const process of processes) this.#ask(process, question);
      this.#endIfSettled();
      await this.#done;
    } catch (error) {
      this.#end(asError(error));
    } finally {
      stopTimer();
      signal?.removeEventListener('abort', abort);
    }
  }

  #ask(process: ProcessId, question: Question): void {
    const { asks, nodes } = this.#options;
    const nodeId = nodes.nameOf(process);
    const giveUp = asks.ask(process, question, {
      reply: (reply) => this.#answered(process, reply),
      failed: (error) => {
        const isLost = error.code === 'node_lost';
        if (!isLost) this.failure ??= error;
        if (error.code === 'backplane_unavailable') this.shortfalls.add(nodeId);
        void this.#partFailed(process, isLost ? 'node_lost' : 'node_silent', error.message);
      },
    });
    this.#parts.set(process, { nodeId, giveUp, unsettled: undefined });
  }

  #answered(process: ProcessId, { value, last, body }: Reply): void {
    const { roster, settled = [] } = value as ClientAnswers;
    const part = this.#parts.get(process);
    if (!part) return;
    if (roster) part.unsettled = new Set(roster);
    for (const one of readAnswers(settled, body, this.#options.codecs)) if (part.unsettled?.delete(one.id)) this.#add(one, part.nodeId);
    if (last) this.#parts.delete(process);
    this.#endIfSettled();
  }

  async #deadline(): Promise<void> {
    const { method, timeoutMs, nodes } = this.#options;
    const text = `'${method}' was not answered within ${timeoutMs} ms.`;
    if (!this.#isAsked) {
      // The directory has not even said whom to ask.
      this.failure ??= new HublineError('call_timeout', text, { method, timeoutMs });
      for (const { nodeId } of nodes.all()) this.shortfalls.add(nodeId);
    }
    await Promise.all(
      [...this.#parts].map(([process, part]) => this.#partFailed(process, part.unsettled ? 'call_timeout' : 'node_silent', text)),
    );
    this.#endIfSettled();
  }

  /** Nothing more comes from this process: those who have not answered get this outcome. */
  async #partFailed(process: ProcessId, code: RejectionCode, message: string): Promise<void> {
    const part = this.#parts.get(process);
    if (!part) return;
    part.giveUp();
    const ids = part.unsettled ?? (await this.#idsOn(process, part.nodeId));
    if (!this.#parts.delete(process)) return;
    for (const id of ids) this.#add({ id, code, message }, part.nodeId);
    this.#endIfSettled();
  }

  /** The node said nothing about whom it asked; the directory knows. Where that is away too, they cannot be named. */
  async #idsOn(process: ProcessId, nodeId: string): Promise<Iterable<string>> {
    const { census, selector } = this.#options;
    const { value, missing } = await census.idsOn(process, selector).catch(() => ({ value: [], missing: [nodeId] }));
    if (missing.includes(nodeId)) this.shortfalls.add(nodeId);
    return value;
  }

  #add(settled: Settled, nodeId: string): void {
    const outcome = outcomeOf<T>(settled, nodeId);
    this.#outcomes.push(outcome);
    this.#queue.push(outcome);
  }

  #endIfSettled(): void {
    if (this.#parts.size === 0) this.#end();
  }

  #end(error?: Error): void {
    if (this.#isDone) return;
    this.#isDone = true;
    for (const { giveUp } of this.#parts.values()) giveUp();
    this.#parts.clear();
    this.#queue.end(error);
    this.#settle(error);
  }
}
