import { asError, HublineError, isHublineError } from '@hubline/protocol';
import type { DirectoryResult, ProcessId } from '../backplane/index.ts';
import { processOf, type Clock } from '../connection/index.ts';
import type { Codecs } from '../membership/index.ts';
import { AsyncQueue, completenessOf, isComplete, MissingNodesCollector, type ClusterItems } from '../presence/index.ts';
import { decodeResults, readInvocationReply } from './client-results.ts';
import { findDestinations, type ClientCall, type Destinations, type DestinationSources } from './destinations.ts';
import { invocationRequest } from './local-invocations.ts';
import type { NodeReply, NodeRequest, NodeRequests } from './node-requests.ts';
import { absentUser, outcomeOf, type LocalOutcome, type Outcome, type RejectionCode } from './outcome.ts';

/**
 * The outcomes of all clients: awaited, all at once; iterated, as they arrive. Awaited after a loop that has ended by itself, it says whether the
 * outcomes are complete. Leaving the loop cancels the remaining calls, and awaiting then rejects with `cancelled`. `missingNodes` are the nodes
 * that could not be asked, or whose clients are unknown.
 */
export interface Outcomes<T> extends AsyncIterable<Outcome<T>>, PromiseLike<ClusterItems<Outcome<T>>> {}

export interface ClusterInvocationParts extends DestinationSources {
  readonly requests: NodeRequests;
  readonly clock: Clock;
  readonly codecs: Codecs;
}

export interface ClusterInvocationOptions {
  readonly invocationId: string;
  readonly timeoutMs: number;
  readonly signal?: AbortSignal | undefined;
}

/** Invokes all clients of a selector. Every client of every node has exactly one outcome, at the latest at the deadline. */
export class ClusterInvocation<T> implements Outcomes<T> {
  /** The error of a node that could not be asked, although it is not lost: `backplane_unavailable`, `unsupported_version` … */
  failure: HublineError | undefined;
  /** The nodes that could not be asked, or whose clients are unknown. */
  readonly missing = new MissingNodesCollector();
  readonly #parts: ClusterInvocationParts;
  readonly #call: ClientCall;
  readonly #options: ClusterInvocationOptions;
  readonly #outcomes: Outcome<T>[] = [];
  readonly #queue = new AsyncQueue<Outcome<T>>();
  /** Aborts when no more outcomes are wanted. */
  readonly #over = new AbortController();
  readonly #done: Promise<void>;

  constructor(parts: ClusterInvocationParts, call: ClientCall, options: ClusterInvocationOptions) {
    this.#parts = parts;
    this.#call = call;
    this.#options = options;
    this.#done = this.#run();
    this.#done.catch(() => undefined); // a caller that awaits or iterates gets the error
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
    const { signal, timeoutMs } = this.#options;
    const { method } = this.#call;
    const over = this.#over.signal;
    const abort = (): void => this.#over.abort();
    signal?.addEventListener('abort', abort);
    if (signal?.aborted) abort();
    const endsAt = this.#parts.clock.elapsed() + timeoutMs;
    try {
      await Promise.race([this.#collect(endsAt), aborted(over)]);
      if (over.aborted) throw new HublineError('cancelled', `The call of '${method}' was cancelled.`, { method });
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
    const { clock, nodes, codecs } = this.#parts;
    const { timeoutMs, invocationId } = this.#options;
    const { method } = this.#call;
    const found = await this.#destinations();
    if (!found) {
      const text = `The backplane did not name the nodes to ask for '${method}' within ${timeoutMs} ms.`;
      this.failure ??= new HublineError('call_timeout', text, { method, timeoutMs });
      for (const { nodeId } of nodes.all()) this.missing.addNode(nodeId);
      return;
    }
    const destinations = this.missing.collect(found);
    const request = invocationRequest(this.#call, invocationId, codecs);
    const leftMs = endsAt - clock.elapsed();
    await Promise.all(destinations.processes.map((process) => this.#ask(process, { request, timeoutMs: leftMs, destinations })));
    this.#addAbsent(destinations.connections);
    // If a node is missing, the user may be online there.
    if (isComplete(this.missing)) for (const userId of destinations.absentUsers) this.#add(absentUser(userId));
  }

  /** Looks up the destinations. Undefined if the time limit is over first. */
  async #destinations(): Promise<DirectoryResult<Destinations> | undefined> {
    let stopTimer = (): void => undefined;
    const late = new Promise<undefined>((resolve) => {
      stopTimer = this.#parts.clock.after(this.#options.timeoutMs, () => resolve(undefined));
    });
    try {
      return await Promise.race([findDestinations(this.#call, this.#parts), late]);
    } finally {
      stopTimer();
    }
  }

  /** Sends the request to a node, and adds an outcome for each of its clients. */
  async #ask(process: ProcessId, { request, timeoutMs, destinations }: Ask): Promise<void> {
    const { self, requests, nodes, codecs } = this.#parts;
    const nodeId = nodes.nameOf(process);
    /** The clients of the node without an outcome. Undefined until the node has named its clients; those of this node are known. */
    let unsettled = process === self ? new Set(destinations.local) : undefined;
    const take = ({ value, body = new Uint8Array() }: NodeReply): void => {
      const { roster, settled = [] } = readInvocationReply(value);
      if (roster) unsettled ??= new Set(roster);
      for (const one of decodeResults(settled, body, codecs)) if (unsettled?.delete(one.id)) this.#settle(one, nodeId);
    };
    try {
      for await (const reply of requests.send(process, request, { timeoutMs, signal: this.#over.signal })) take(reply);
      const message = `Node '${nodeId}' sent no result of this client.`;
      for (const id of unsettled ?? []) this.#settle({ id, code: 'node_silent', message }, nodeId);
    } catch (cause) {
      const error = isHublineError(cause) ? cause : new HublineError('internal', asError(cause).message, {}, { cause });
      const { code, message } = this.#rejection(error, unsettled !== undefined);
      // Clients of a missing node that are known by their ids get an outcome too.
      if (error.code === 'backplane_unavailable') this.missing.addNode(nodeId);
      for (const id of unsettled ?? (await this.#idsOn(process, nodeId))) this.#settle({ id, code, message }, nodeId);
    }
  }

  /** Converts the error of a request to the rejection of the node's clients. `isNamed`: the node has named them, so it received the request. */
  #rejection(error: HublineError, isNamed: boolean): { readonly code: RejectionCode; readonly message: string } {
    if (error.code === 'node_lost') return { code: 'node_lost', message: error.message };
    if (error.code === 'node_silent') {
      const message = `'${this.#call.method}' was not answered within ${this.#options.timeoutMs} ms.`;
      return { code: isNamed ? 'call_timeout' : 'node_silent', message };
    }
    this.failure ??= error;
    return { code: 'node_silent', message: error.message };
  }

  /** Reads from the directory the clients of a node that has not named them. If that fails, the node is missing. */
  async #idsOn(process: ProcessId, nodeId: string): Promise<Iterable<string>> {
    const found = await this.#parts.reader.idsOn(process, this.#call.selector).catch(() => undefined);
    if (!found || found.missing.includes(nodeId)) this.missing.addNode(nodeId);
    return found?.value ?? [];
  }

  /** Adds outcomes for listed connections that no node has. */
  #addAbsent(connections: readonly string[]): void {
    const { nodes } = this.#parts;
    const settled = new Set(this.#outcomes.map(({ connectionId }) => connectionId));
    for (const id of connections) {
      if (settled.has(id)) continue;
      const process = processOf(id);
      const nodeId = nodes.nameOf(process);
      if (nodes.isLost(process)) this.#settle({ id, code: 'node_lost', message: `Node '${nodeId}' is lost.` }, nodeId);
      else if (isComplete(this.missing))
        this.#settle({ id, code: 'connection_gone', message: `Connection '${id}' does not exist.` }, nodes.get(process)?.nodeId ?? '');
    }
  }

  #settle(outcome: LocalOutcome, nodeId: string): void {
    this.#add(outcomeOf<T>(outcome, nodeId));
  }

  #add(outcome: Outcome<T>): void {
    if (this.#over.signal.aborted) return;
    this.#outcomes.push(outcome);
    this.#queue.push(outcome);
  }
}

interface Ask {
  readonly request: NodeRequest;
  readonly timeoutMs: number;
  readonly destinations: Destinations;
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve());
  });
