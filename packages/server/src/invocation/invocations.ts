import { HublineError } from '@hubline/protocol';
import { timeLimit } from '../connection/index.ts';
import { isComplete, MissingNodesCollector, nodesUnavailable } from '../presence/index.ts';
import { ClusterInvocation, type ClusterInvocationParts, type Outcomes } from './cluster-invocation.ts';
import { localRecipients, type ClientCall } from './destinations.ts';
import type { ClientOutcome, Outcome } from './outcome.ts';

export interface InvocationsOptions extends ClusterInvocationParts {
  readonly timeoutMs: number;
  readonly attemptMs: number;
}

export interface InvokeOptions {
  /** Time limit of the whole call, in milliseconds. Default: the server's `callMs`, 30000. */
  readonly timeoutMs?: number | undefined;
  /** `invokeOne`: time limit of each client, in milliseconds. Default: the server's `attemptMs`, 5000. */
  readonly attemptMs?: number | undefined;
  /** Cancels the call: it rejects `cancelled`. */
  readonly signal?: AbortSignal | undefined;
  /** `invokeOne`: invokes all clients at once, and takes the first result. Default false. */
  readonly race?: boolean | undefined;
}

const PAGE = 100;

/** Invokes clients on any node, and collects their results. */
export class Invocations {
  readonly #options: InvocationsOptions;
  #nextId = 1;

  constructor(options: InvocationsOptions) {
    this.#options = options;
  }

  /** Invokes every client of the selector, and returns one outcome for each. */
  all<T>(call: ClientCall, options: InvokeOptions = {}): Outcomes<T> {
    return this.#invoke<T>(call, options);
  }

  /**
   * Invokes one connection: the selector must not match another one. @throws HublineError `client_error`, `call_timeout`, `connection_gone`,
   * `node_lost`, `node_silent`, `backplane_unavailable`, `cancelled` …
   */
  async single<T>(connectionId: string, call: ClientCall, options: InvokeOptions = {}): Promise<T> {
    const { timeoutMs = this.#options.timeoutMs } = options;
    const invocation = this.#invoke<T>(call, { ...options, timeoutMs });
    const outcome = (await invocation).items.find(isOfClient);
    if (invocation.failure) throw invocation.failure;
    if (!outcome && !isComplete(invocation.missing)) throw nodesUnavailable(invocation.missing.missing);
    if (!outcome) throw new HublineError('connection_gone', `Connection '${connectionId}' does not exist.`, { connectionId });
    if (outcome.status === 'fulfilled') return outcome.value;
    throw errorOf(outcome, call.method, timeoutMs);
  }

  /**
   * Invokes one client after the other, those of this node first, until one returns a result. @throws HublineError
   * `no_client_responded`, with the nodes that could not be asked in `missingNodes`; `backplane_unavailable` if there are such
   * nodes and no client was asked, or if their names are unknown
   */
  async one<T>(
    call: ClientCall,
    { timeoutMs = this.#options.timeoutMs, attemptMs = this.#options.attemptMs, signal, race = false }: InvokeOptions = {},
  ): Promise<T> {
    const causes: Cause[] = [];
    const missing = new MissingNodesCollector();
    const search = { timeoutMs, signal, missing };
    for await (const outcome of race ? this.#raced<T>(call, search) : this.#oneByOne<T>(call, search, attemptMs)) {
      if (outcome.status === 'fulfilled') return outcome.value;
      causes.push(outcome);
    }
    if (signal?.aborted) throw new HublineError('cancelled', `The call of '${call.method}' was cancelled.`, { method: call.method });
    const { missing: missingNodes } = missing;
    const asked = causes.filter(({ code, nodeId }) => code !== 'node_silent' || !missingNodes.includes(nodeId));
    // `no_client_responded` would be wrong: clients on the other nodes were not asked.
    if (!isComplete(missing) && (missingNodes.length === 0 || asked.length === 0)) throw nodesUnavailable(missingNodes, asked.length);
    throw new HublineError('no_client_responded', `No client gave a result for '${call.method}' (${causes.length} asked).`, {
      causes: causes.map(({ connectionId, code, message }) => ({ connectionId, code, message })),
      missingNodes,
    });
  }

  async *#raced<T>(call: ClientCall, { timeoutMs, signal, missing }: Search): AsyncGenerator<ClientOutcome<T>, void, undefined> {
    const invocation = this.#invoke<T>(call, { timeoutMs, signal });
    for await (const outcome of invocation) if (isOfClient(outcome)) yield outcome;
    missing.add(invocation.missing);
  }

  async *#oneByOne<T>(
    call: ClientCall,
    { timeoutMs, signal, missing }: Search,
    attemptMs: number,
  ): AsyncGenerator<ClientOutcome<T>, void, undefined> {
    const { clock } = this.#options;
    const endsAt = clock.elapsed() + timeLimit(timeoutMs);
    let end = (): void => undefined;
    const over = new Promise<void>((resolve) => (end = () => resolve()));
    const stopTimer = clock.after(timeoutMs, end);
    signal?.addEventListener('abort', end);
    if (signal?.aborted) end();
    try {
      for await (const connection of this.#candidates(call, over, missing)) {
        const leftMs = endsAt - clock.elapsed();
        if (leftMs <= 0) return;
        const invocation = this.#invoke<T>({ ...call, selector: { connection } }, { timeoutMs: Math.min(attemptMs, leftMs), signal });
        for (const outcome of (await invocation).items) if (isOfClient(outcome)) yield outcome;
        missing.add(invocation.missing);
      }
    } finally {
      stopTimer();
      signal?.removeEventListener('abort', end);
    }
  }

  /** Yields this node's clients first, then those of other nodes, until the call is over: the directory may be slower than the time limit. */
  async *#candidates(call: ClientCall, over: Promise<void>, missing: MissingNodesCollector): AsyncGenerator<string, void, undefined> {
    const { reader, nodes, membership, self } = this.#options;
    const local = localRecipients(call, membership);
    yield* local;
    for (let after: string | undefined, more = true; more;) {
      const page = await Promise.race([reader.ids(call.hub, call.selector, { after, limit: PAGE }), over]);
      if (!page) {
        for (const { process, nodeId } of nodes.all()) if (process !== self) missing.addNode(nodeId);
        return;
      }
      for (const id of missing.collect(page)) if (!local.has(id)) yield id;
      after = page.value.at(-1);
      more = page.value.length === PAGE;
    }
  }

  /** Takes one invocation id for all clients, so that the message is encoded once. */
  #invoke<T>(call: ClientCall, { timeoutMs = this.#options.timeoutMs, signal }: InvokeOptions): ClusterInvocation<T> {
    const invocationId = `${this.#options.self}-${this.#nextId++}`;
    return new ClusterInvocation<T>(this.#options, call, { invocationId, timeoutMs: timeLimit(timeoutMs), signal });
  }
}

interface Search {
  readonly timeoutMs: number;
  readonly signal: AbortSignal | undefined;
  /** Collects the nodes that could not be asked. */
  readonly missing: MissingNodesCollector;
}

type Cause = ClientOutcome<unknown> & { readonly status: 'rejected' };

const isOfClient = <T>(outcome: Outcome<T>): outcome is ClientOutcome<T> => outcome.connectionId !== undefined;

/** The error for a caller that invoked only this client. */
function errorOf({ code, message, connectionId, nodeId }: Cause, method: string, timeoutMs: number): HublineError {
  switch (code) {
    case 'client_error':
    case 'invalid_result':
      return new HublineError(code, message, { method });
    case 'call_timeout':
      return new HublineError(code, message, { method, timeoutMs });
    case 'connection_gone':
      return new HublineError(code, message, { connectionId });
    case 'not_encodable':
      return new HublineError(code, message, { path: '', found: `a call of '${method}'` });
    case 'node_lost':
    case 'node_silent':
      return new HublineError(code, message, { nodeId });
  }
}
