import { asError, HublineError, isHublineError } from '@hubline/protocol';
import type { DirectoryResult, ProcessId } from '../backplane/index.ts';
import { processOf, type Clock } from '../connection/index.ts';
import {
  completenessOf,
  AsyncQueue,
  isComplete,
  MissingNodesCollector,
  type ClusterItems,
  type PresenceReader,
  type ClusterNodes,
} from '../presence/index.ts';
import type { Codecs, Selector } from '../membership/index.ts';
import { decodeResults, readInvocationReply } from './client-results.ts';
import { absentUser, outcomeOf, type Outcome, type RejectionCode, type LocalOutcome } from './outcome.ts';
import type { NodeRequest, NodeRequests, NodeReply } from './node-requests.ts';

/**
 * The outcomes of all clients: awaited, all at once; iterated, as they arrive. Leaving the loop cancels the others; awaited after the loop,
 * it says whether they are complete. `missingNodes` are those that could not be asked, or whose clients could not even be named.
 */
export interface Outcomes<T> extends AsyncIterable<Outcome<T>>, PromiseLike<ClusterItems<Outcome<T>>> {}

/** The destinations of a call: processes, connections and users. */
export interface Destinations {
  /** The processes to ask. */
  readonly processes: readonly ProcessId[];
  /** The connections of this node. */
  readonly near: ReadonlySet<string>;
  /** The connections that the target lists by their ids. */
  readonly connections: readonly string[];
  /** The users that the target lists and that have no connection. */
  readonly absentUsers: readonly string[];
}

export interface ClusterInvocationOptions {
  readonly self: ProcessId;
  readonly requests: NodeRequests;
  readonly reader: PresenceReader;
  readonly nodes: ClusterNodes;
  readonly clock: Clock;
  readonly codecs: Codecs;
  readonly selector: Selector;
  readonly method: string;
  readonly request: () => NodeRequest;
  readonly destinations: () => Promise<DirectoryResult<Destinations>>;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** One call to many clients: every client of every node ends with exactly one outcome, at the deadline at the latest. */
export class ClusterInvocation<T> implements Outcomes<T> {
  /** Why a node could not be asked, where it is not lost: `backplane_unavailable`, `unsupported_version` … */
  failure: HublineError | undefined;
  /** The nodes that could not be asked. */
  readonly missing = new MissingNodesCollector();
  readonly #options: ClusterInvocationOptions;
  readonly #outcomes: Outcome<T>[] = [];
  readonly #queue = new AsyncQueue<Outcome<T>>();
  /** Aborts when no more outcomes are wanted. */
  readonly #over = new AbortController();
  readonly #done: Promise<void>;

  constructor(options: ClusterInvocationOptions) {
    this.#options = options;
    this.#done = this.#run();
    this.#done.catch(() => undefined); // the caller that awaits or iterates gets it
  }

  then<A = ClusterItems<Outcome<T>>, B = never>(
    onFulfilled?: ((outcomes: ClusterItems<Outcome<T>>) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#done.then(() => ({ items: this.#outcomes, ...completenessOf(this.missing) })).then(onFulfilled, onRejected);
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Outcome<T>, void, undefined> {
    try {
      yield* this.#queue.drain();
    } finally {
      this.#over.abort();
    }
  }

  async #run(): Promise<void> {
    const { signal, clock, timeoutMs, method } = this.#options;
    const over = this.#over.signal;
    const abort = (): void => this.#over.abort();
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    const endsAt = clock.elapsed() + timeoutMs;
    try {
      await Promise.race([this.#collect(endsAt), aborted(over)]);
      if (over.aborted) throw new HublineError('cancelled', `The call of '${method}' was given up.`, { method });
      this.#queue.end();
    } catch (error) {
      this.#queue.end(error);
      throw error;
    } finally {
      signal?.removeEventListener('abort', abort);
      abort();
    }
  }

  async #collect(endsAt: number): Promise<void> {
    const { clock, nodes, timeoutMs, method } = this.#options;
    const answer = await this.#destinations();
    if (!answer) {
      // The directory has not answered which nodes to ask.
      const text = `The backplane did not name the nodes to ask for '${method}' within ${timeoutMs} ms.`;
      this.failure ??= new HublineError('call_timeout', text, { method, timeoutMs });
      for (const { nodeId } of nodes.all()) this.missing.addNode(nodeId);
      return;
    }
    const { processes, near, connections, absentUsers } = this.missing.valueOf(answer);
    const request = this.#options.request();
    const leftMs = endsAt - clock.elapsed();
    await Promise.all(processes.map((process) => this.#ask({ process, request, timeoutMs: leftMs, near })));
    this.#nameGone(connections);
    // Only where every node was asked: otherwise the user may be online on one of the others.
    if (isComplete(this.missing)) for (const userId of absentUsers) this.#add(absentUser(userId));
  }

  /** Looks up the destinations. Undefined where the time limit is over first. */
  async #destinations(): Promise<DirectoryResult<Destinations> | undefined> {
    const { clock, timeoutMs, destinations } = this.#options;
    let stopTimer = (): void => undefined;
    const late = new Promise<undefined>((resolve) => (stopTimer = clock.after(timeoutMs, () => resolve(undefined))));
    try {
      return await Promise.race([destinations(), late]);
    } finally {
      stopTimer();
    }
  }

  async #ask({ process, request, timeoutMs, near }: Ask): Promise<void> {
    const { self, requests, nodes } = this.#options;
    const nodeId = nodes.nameOf(process);
    /** Clients that the node asked and that have not answered. Undefined until it has named them; those of this node are known. */
    let unsettled = process === self ? new Set(near) : undefined;
    const take = ({ value, body = new Uint8Array() }: NodeReply): void => {
      const { roster, settled = [] } = readInvocationReply(value);
      if (roster) unsettled ??= new Set(roster);
      for (const one of decodeResults(settled, body, this.#options.codecs)) if (unsettled?.delete(one.id)) this.#settle(one, nodeId);
    };
    try {
      for await (const reply of requests.send(process, request, { timeoutMs, signal: this.#over.signal })) take(reply);
      const message = `Node '${nodeId}' did not say what this client has answered.`;
      for (const id of unsettled ?? []) this.#settle({ id, code: 'node_silent', message }, nodeId);
    } catch (cause) {
      const error = isHublineError(cause) ? cause : new HublineError('internal', asError(cause).message, {}, { cause });
      const { code, message } = this.#rejection(error, unsettled !== undefined);
      if (error.code === 'backplane_unavailable') this.missing.addNode(nodeId);
      for (const id of unsettled ?? (await this.#idsOn(process, nodeId))) this.#settle({ id, code, message }, nodeId);
    }
  }

  /** The rejection of clients whose node gave no outcome. */
  #rejection(error: HublineError, isNamed: boolean): { readonly code: RejectionCode; readonly message: string } {
    if (error.code === 'node_lost') return { code: 'node_lost', message: error.message };
    if (error.code === 'node_silent') return { code: isNamed ? 'call_timeout' : 'node_silent', message: this.#late };
    this.failure ??= error;
    return { code: 'node_silent', message: error.message };
  }

  /** The clients of a node that has not named them, by the directory. Without the directory they cannot be named. */
  async #idsOn(process: ProcessId, nodeId: string): Promise<Iterable<string>> {
    const { reader, selector } = this.#options;
    const { value, missing } = await reader.idsOn(process, selector).catch(() => ({ value: [], missing: [nodeId] }));
    if (missing.includes(nodeId)) this.missing.addNode(nodeId);
    return value;
  }

  /** Adds outcomes for listed connections that no node has. */
  #nameGone(connections: readonly string[]): void {
    const { nodes } = this.#options;
    const settled = new Set(this.#outcomes.map(({ connectionId }) => connectionId));
    for (const id of connections) {
      if (settled.has(id)) continue;
      const process = processOf(id);
      const nodeId = nodes.nameOf(process);
      if (nodes.isLost(process)) this.#settle({ id, code: 'node_lost', message: `Node '${nodeId}' is gone.` }, nodeId);
      else if (isComplete(this.missing))
        this.#settle({ id, code: 'connection_gone', message: `Connection '${id}' does not exist.` }, nodes.get(process)?.nodeId ?? '');
    }
  }

  get #late(): string {
    const { method, timeoutMs } = this.#options;
    return `'${method}' was not answered within ${timeoutMs} ms.`;
  }

  #settle(settled: LocalOutcome, nodeId: string): void {
    this.#add(outcomeOf<T>(settled, nodeId));
  }

  #add(outcome: Outcome<T>): void {
    if (this.#over.signal.aborted) return;
    this.#outcomes.push(outcome);
    this.#queue.push(outcome);
  }
}

interface Ask extends Pick<Destinations, 'near'> {
  readonly process: ProcessId;
  readonly request: NodeRequest;
  readonly timeoutMs: number;
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
