import { read } from '../backplane/index.ts';
import type { ClientAnswer, Clock, Connection } from '../connection/index.ts';
import { readCopies, readSelector, select, type Codecs, type LocalMembership, type Selector, type Written } from '../membership/index.ts';
import { unwritable, writeAnswer, type AnswerCopy } from './answers.ts';
import type { Executor } from './commands.ts';
import type { Questions, ReceivedQuestion, Reply } from './questions.ts';

/** The params of a question that invokes the clients of a selector on one node; its body holds the invocation. */
export interface AskClients {
  readonly hub: string;
  readonly target: Selector;
  readonly method: string;
  readonly invocationId: string;
  readonly written: Written;
}

export const ASK_CLIENTS = 'clients';

const readAskClients = read.fields({
  hub: read.text,
  target: readSelector,
  method: read.text,
  invocationId: read.text,
  written: read.list(read.written),
});

/** Answers within this time are sent as one message. */
const BATCH_MS = 10;

export interface ClientAnswersOptions {
  readonly questions: Questions;
  readonly membership: LocalMembership;
  readonly codecs: Codecs;
  readonly clock: Clock;
  readonly executor: (hub: string) => Executor | undefined;
}

/** Answers questions of other nodes, and of this one, that invoke the clients connected here. */
export function serveClientAnswers({ questions, ...options }: ClientAnswersOptions): void {
  questions.answer(ASK_CLIENTS, readAskClients, (question, reply) => askClients(question, reply, options));
}

async function askClients(
  { params: { hub, target, method, invocationId, written }, body, signal }: ReceivedQuestion<AskClients>,
  reply: (reply: Reply) => void,
  { membership, codecs, clock, executor }: Omit<ClientAnswersOptions, 'questions'>,
): Promise<Reply> {
  const named = [...select(target, membership.of(hub)).values()].map(({ connection }) => connection);
  const roster: Reply = { value: { roster: named.map(({ id }) => id) } };
  if (named.length === 0) return roster;
  reply(roster);
  const waiting = new Set(named);
  const spoken = new Set(written.map(([codec]) => codec));
  const outgoing = readCopies(written, body, codecs);
  const check = executor(hub)?.resultCheck(method);
  return new Promise((resolve) => {
    let batch: AnswerCopy[] = [];
    let stopTimer: (() => void) | undefined;
    const flush = (): Reply => {
      stopTimer?.();
      stopTimer = undefined;
      const answers = batch;
      batch = [];
      return { value: { settled: answers.map(({ answer }) => answer) }, body: Buffer.concat(answers.flatMap(({ bytes }) => bytes ?? [])) };
    };
    const settle = (connection: Connection, copy: AnswerCopy): void => {
      if (signal.aborted) return; // a schema may take longer than the question
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
          const write = (checked: ClientAnswer): void => settle(connection, writeAnswer(id, checked, { codec, spoken }));
          if (!check || !answer || answer.error !== undefined) return write(answer);
          void check(answer.result).then((checked) => {
            if ('value' in checked) write({ ...answer, result: checked.value });
            else settle(connection, { answer: { id, code: 'invalid_result', message: checked.message } });
          });
        });
      } catch (error) {
        settle(connection, { answer: unwritable(connection.id, error) });
      }
    }
  });
}
