import { read } from '../backplane/index.ts';
import type { ClientAnswer, Clock, Connection } from '../connection/index.ts';
import {
  decodeCopies,
  readSelector,
  select,
  type Codecs,
  type LocalMembership,
  type Selector,
  type CopyLengths,
} from '../membership/index.ts';
import { unencodable, encodeResult, type EncodedResult } from './client-results.ts';
import type { Executor } from './remote-commands.ts';
import type { NodeRequests, ReceivedRequest, NodeReply } from './node-requests.ts';

/** The params of a request that invokes the clients of a selector on one node; its body holds the invocation. */
export interface InvocationRequest {
  readonly hub: string;
  readonly target: Selector;
  readonly method: string;
  readonly invocationId: string;
  readonly written: CopyLengths;
}

export const INVOKE_CLIENTS = 'clients';

const readInvocationRequest = read.fields({
  hub: read.text,
  target: readSelector,
  method: read.text,
  invocationId: read.text,
  written: read.list(read.copyLength),
});

/** Answers within this time are sent as one message. */
const BATCH_MS = 10;

export interface LocalInvocationsOptions {
  readonly requests: NodeRequests;
  readonly membership: LocalMembership;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly executor: (hub: string) => Executor | undefined;
}

/** Answers requests of other nodes, and of this one, that invoke the clients connected here. */
export function serveInvocations({ requests, ...options }: LocalInvocationsOptions): void {
  requests.handle(INVOKE_CLIENTS, readInvocationRequest, (request, reply) => invokeClients(request, reply, options));
}

async function invokeClients(
  { params: { hub, target, method, invocationId, written }, body, signal }: ReceivedRequest<InvocationRequest>,
  reply: (reply: NodeReply) => void,
  { membership, codecs, clock, executor }: Omit<LocalInvocationsOptions, 'requests'>,
): Promise<NodeReply> {
  const named = [...select(target, membership.of(hub)).values()].map(({ connection }) => connection);
  const roster: NodeReply = { value: { roster: named.map(({ id }) => id) } };
  if (named.length === 0) return roster;
  reply(roster);
  const waiting = new Set(named);
  const spoken = new Set(written.map(([codec]) => codec));
  const outgoing = decodeCopies({ written }, body, codecs);
  const check = executor(hub)?.resultCheck(method);
  return new Promise((resolve) => {
    let batch: EncodedResult[] = [];
    let stopTimer: (() => void) | undefined;
    const flush = (): NodeReply => {
      stopTimer?.();
      stopTimer = undefined;
      const answers = batch;
      batch = [];
      return { value: { settled: answers.map(({ answer }) => answer) }, body: Buffer.concat(answers.flatMap(({ bytes }) => bytes ?? [])) };
    };
    const settle = (connection: Connection, copy: EncodedResult): void => {
      if (signal.aborted) return; // a schema may take longer than the request
      waiting.delete(connection);
      batch.push(copy);
      if (waiting.size === 0) resolve(flush());
      else stopTimer ??= clock.after(BATCH_MS, () => reply(flush()));
    };
    signal.addEventListener('abort', () => {
      for (const connection of waiting) connection.cancelAsked(invocationId);
      resolve(flush());
    });
    for (const connection of named) {
      try {
        connection.ask(invocationId, outgoing, (answer) => {
          const { id, codec } = connection;
          const write = (checked: ClientAnswer): void => settle(connection, encodeResult(id, checked, { codec, spoken }));
          if (!check || !answer || answer.error !== undefined) return write(answer);
          void check(answer.result).then((checked) => {
            if ('value' in checked) write({ ...answer, result: checked.value });
            else settle(connection, { answer: { id, code: 'invalid_result', message: checked.message } });
          });
        });
      } catch (error) {
        settle(connection, { answer: unencodable(connection.id, error) });
      }
    }
  });
}
