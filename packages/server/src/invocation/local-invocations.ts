import { MessageType } from '@hubline/protocol';
import { read } from '../backplane/index.ts';
import { OutgoingMessage, type ClientAnswer, type Clock, type Connection } from '../connection/index.ts';
import {
  decodeCopies,
  encodeCopies,
  readSelector,
  select,
  type Codecs,
  type EncodingLengths,
  type LocalMembership,
  type Selector,
} from '../membership/index.ts';
import { encodeResult, unencodable, type EncodedResult } from './client-results.ts';
import type { ClientCall } from './destinations.ts';
import type { NodeReply, NodeRequest, NodeRequests, ReceivedRequest } from './node-requests.ts';
import type { CheckedResult, Executor } from './remote-commands.ts';

/** The params of a request that invokes the clients of a selector on one node. The body contains the invocation. */
interface InvocationRequest {
  readonly hub: string;
  readonly target: Selector;
  readonly method: string;
  readonly invocationId: string;
  readonly written: EncodingLengths;
}

const INVOKE_CLIENTS = 'clients';

const readInvocationRequest = read.fields({
  hub: read.text,
  target: readSelector,
  method: read.text,
  invocationId: read.text,
  written: read.list(read.copyLength),
});

/** Encodes a call once for the clients of all nodes. @throws HublineError `not_encodable` */
export function invocationRequest({ hub, selector, method, args }: ClientCall, invocationId: string, codecs: Codecs): NodeRequest {
  const message = { type: MessageType.Invocation, invocationId, target: method, arguments: args };
  const { written, body } = encodeCopies(new OutgoingMessage(() => message), codecs);
  const params: InvocationRequest = { hub, target: selector, method, invocationId, written };
  return { op: INVOKE_CLIENTS, params, body };
}

/** Results within this time are sent in one reply. */
const BATCH_MS = 10;

export interface LocalInvocationsOptions {
  readonly membership: LocalMembership;
  readonly codecs: Codecs;
  readonly clock: Clock;
  /** The hubs that this node serves. */
  readonly executors: ReadonlyMap<string, Pick<Executor, 'resultCheck'>>;
}

/** Handles the requests of other nodes, and of this one, that invoke clients of this node. */
export function serveInvocations(requests: NodeRequests, options: LocalInvocationsOptions): void {
  requests.handle(INVOKE_CLIENTS, readInvocationRequest, (request, reply) => new LocalInvocation(request, reply, options).run());
}

/** Invokes the clients of one request, and replies with their ids, and then with their results in batches. */
class LocalInvocation {
  readonly #request: ReceivedRequest<InvocationRequest>;
  readonly #reply: (reply: NodeReply) => void;
  readonly #clock: Clock;
  readonly #check: ((result: unknown) => Promise<CheckedResult>) | undefined;
  /** The protocols that the requesting node can decode. */
  readonly #spoken: ReadonlySet<string>;
  readonly #outgoing: OutgoingMessage;
  /** The clients that have not answered. */
  readonly #waiting: Set<Connection>;
  #batch: EncodedResult[] = [];
  #stopTimer: (() => void) | undefined;

  constructor(
    request: ReceivedRequest<InvocationRequest>,
    reply: (reply: NodeReply) => void,
    { membership, codecs, clock, executors }: LocalInvocationsOptions,
  ) {
    const { hub, target, method, written } = request.params;
    this.#request = request;
    this.#reply = reply;
    this.#clock = clock;
    this.#check = executors.get(hub)?.resultCheck(method);
    this.#spoken = new Set(written.map(([codec]) => codec));
    this.#outgoing = decodeCopies({ written }, request.body, codecs);
    this.#waiting = new Set([...select(target, membership.of(hub)).values()].map(({ connection }) => connection));
  }

  async run(): Promise<NodeReply> {
    const clients = [...this.#waiting];
    const roster: NodeReply = { value: { roster: clients.map(({ id }) => id) } };
    if (clients.length === 0) return roster;
    this.#reply(roster);
    return new Promise((resolve) => {
      this.#request.signal.addEventListener('abort', () => {
        for (const connection of this.#waiting) connection.cancelInvocation(this.#request.params.invocationId);
        resolve(this.#flush());
      });
      for (const connection of clients) this.#invoke(connection, resolve);
    });
  }

  #invoke(connection: Connection, done: (last: NodeReply) => void): void {
    const settle = (result: EncodedResult): void => this.#settle(connection, result, done);
    try {
      connection.invoke(
        this.#request.params.invocationId,
        this.#outgoing,
        (answer) => void this.#resultOf(connection, answer).then(settle),
      );
    } catch (error) {
      settle({ header: unencodable(connection.id, error) });
    }
  }

  async #resultOf({ id, codec }: Connection, answer: ClientAnswer): Promise<EncodedResult> {
    const protocols = { codec, spoken: this.#spoken };
    if (!this.#check || !answer || answer.error !== undefined) return encodeResult(id, answer, protocols);
    const checked = await this.#check(answer.result);
    if ('value' in checked) return encodeResult(id, { ...answer, result: checked.value }, protocols);
    return { header: { id, code: 'invalid_result', message: checked.message } };
  }

  #settle(connection: Connection, result: EncodedResult, done: (last: NodeReply) => void): void {
    if (this.#request.signal.aborted) return; // a check may take longer than the request
    this.#waiting.delete(connection);
    this.#batch.push(result);
    if (this.#waiting.size === 0) done(this.#flush());
    else this.#stopTimer ??= this.#clock.after(BATCH_MS, () => this.#reply(this.#flush()));
  }

  /** Ends the batch. */
  #flush(): NodeReply {
    this.#stopTimer?.();
    this.#stopTimer = undefined;
    const batch = this.#batch;
    this.#batch = [];
    return { value: { settled: batch.map(({ header }) => header) }, body: Buffer.concat(batch.flatMap(({ bytes }) => bytes ?? [])) };
  }
}
