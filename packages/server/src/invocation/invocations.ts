import { HublineError, MessageType } from '@hubline/protocol';
import { nameIn, topicPrefix, type DirectoryResult, type ProcessId } from '../backplane/index.ts';
import { Outgoing, timeLimit, type Clock } from '../connection/index.ts';
import { encodeCopies, leavesOf, select, type Codecs, type Leaves, type LocalMembership, type Selector } from '../membership/index.ts';
import { isComplete, MissingNodesCollector, nodesUnavailable, type PresenceReader, type ClusterNodes } from '../presence/index.ts';
import { INVOKE_CLIENTS, type InvocationRequest } from './local-invocations.ts';
import { ClusterInvocation, type Destinations, type Outcomes } from './cluster-invocation.ts';
import type { ClientOutcome, Outcome } from './outcome.ts';
import type { NodeRequest, NodeRequests } from './node-requests.ts';

export interface InvocationsOptions {
  readonly self: ProcessId;
  readonly requests: NodeRequests;
  readonly reader: PresenceReader;
  readonly nodes: ClusterNodes;
  readonly membership: LocalMembership;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly attemptMs: number;
}

/** A call to clients: its hub, its selector, its method and arguments. */
export interface ClientCall {
  readonly hub: string;
  readonly selector: Selector;
  readonly method: string;
  readonly args: readonly unknown[];
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

/** Invokes clients on any node, and collects their answers. */
export class Invocations {
  readonly #options: InvocationsOptions;
  #nextId = 1;

  constructor(options: InvocationsOptions) {
    this.#options = options;
  }

  /** Invokes every client of the selector; gives one outcome for each. */
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
   * Invokes one client after the other, those of this node first, until one gives a result. @throws HublineError
   * `no_client_responded`, with the nodes that could not be asked in `missingNodes`; `backplane_unavailable` where there are such
   * nodes and no client was asked, or where they cannot even be named
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
    if (signal?.aborted) throw new HublineError('cancelled', `The call of '${call.method}' was given up.`, { method: call.method });
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
    const invocation = this.#invoke<T>(call, { timeoutMs, ...(signal ? { signal } : {}) });
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
      for await (const connectionId of this.#candidates(call, over, missing)) {
        const leftMs = endsAt - clock.elapsed();
        if (leftMs <= 0) return;
        const options = { timeoutMs: Math.min(attemptMs, leftMs), ...(signal ? { signal } : {}) };
        const invocation = this.#invoke<T>({ ...call, selector: { connection: connectionId } }, options);
        for (const outcome of (await invocation).items) if (isOfClient(outcome)) yield outcome;
        missing.add(invocation.missing);
      }
    } finally {
      stopTimer();
      signal?.removeEventListener('abort', end);
    }
  }

  /** Yields this node's clients first, then those of others, until the call is over: the directory may be slower than the time limit. */
  async *#candidates(call: ClientCall, over: Promise<void>, missing: MissingNodesCollector): AsyncGenerator<string, void, undefined> {
    const { reader, nodes, self } = this.#options;
    const near = this.#near(call);
    yield* near;
    for (let after: string | undefined, more = true; more;) {
      const answer = await Promise.race([reader.ids(call.hub, call.selector, { after, limit: PAGE }), over]);
      if (!answer) {
        for (const { process, nodeId } of nodes.all()) if (process !== self) missing.addNode(nodeId);
        return;
      }
      for (const id of missing.valueOf(answer)) if (!near.has(id)) yield id;
      after = answer.value.at(-1);
      more = answer.value.length === PAGE;
    }
  }

  #invoke<T>(call: ClientCall, { timeoutMs = this.#options.timeoutMs, signal }: InvokeOptions): ClusterInvocation<T> {
    const { self, requests, reader, nodes, clock, codecs } = this.#options;
    return new ClusterInvocation<T>({
      self,
      requests,
      reader,
      nodes,
      clock,
      codecs,
      signal,
      timeoutMs: timeLimit(timeoutMs),
      selector: call.selector,
      method: call.method,
      request: () => this.#request(call),
      destinations: () => this.#destinations(call),
    });
  }

  /** The connections of this node that the selector matches. */
  #near({ hub, selector }: ClientCall): ReadonlySet<string> {
    return new Set(select(selector, this.#options.membership.of(hub)).keys());
  }

  async #destinations(call: ClientCall): Promise<DirectoryResult<Destinations>> {
    const { hub, selector } = call;
    const { reader, membership, nodes, self } = this.#options;
    const { value, ...missing } = await reader.locate(selector, nodes);
    // This node's own membership is newer than the directory.
    const others = [...value.processes].filter((process) => process !== self);
    const near = this.#near(call);
    const { connections, topics } = leavesOf(selector, noRecipients);
    const users = topics.filter((topic) => topic.startsWith(topicPrefix(hub, 'user')));
    const absent = users.filter((topic) => value.isEmpty(topic) && membership.members(topic).size === 0);
    const absentUsers = absent.flatMap((topic) => nameIn(topic, topicPrefix(hub, 'user')) ?? []);
    return { ...missing, value: { processes: near.size > 0 ? [self, ...others] : others, near, connections, absentUsers } };
  }

  /** One invocation id for all clients, so that the message is written once. */
  #request({ hub, selector, method, args }: ClientCall): NodeRequest {
    const invocationId = `${this.#options.self}-${this.#nextId++}`;
    const message = { type: MessageType.Invocation, invocationId, target: method, arguments: args };
    const { written, body } = encodeCopies(new Outgoing(() => message), this.#options.codecs);
    const params: InvocationRequest = { hub, target: selector, method, invocationId, written };
    return { op: INVOKE_CLIENTS, params, body };
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

/** The leaves of an `allOf` are no recipients of their own: an absent one has no outcome. */
const noRecipients = (): Leaves => ({ topics: [], connections: [] });

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
