import type { Clock, Connection } from '../connection/index.ts';
import { readCopies, select, type Codecs, type LocalMembership, type Selector, type Written } from '../membership/index.ts';
import type { Asks } from './asks.ts';
import { notEncodable, writeAnswer, type AnswerCopy, type SentAnswer } from './answers.ts';

/** Asks the clients of a node that a selector names; the body holds the invocation. */
export interface AskClients {
  readonly hub: string;
  readonly target: Selector;
  readonly invocationId: string;
  readonly written: Written;
}

/** What the asked node says: first whom it asked, then how they answer. */
export interface ClientAnswers {
  readonly roster?: readonly string[];
  /** What is not in here is in the body. */
  readonly settled?: readonly SentAnswer[];
}

export const ASK_CLIENTS = 'clients';

/** Answers that come close together go as one message. */
const BATCH_MS = 10;

export interface ClientAskerOptions {
  readonly asks: Asks;
  readonly membership: LocalMembership;
  readonly codecs: Codecs;
  readonly clock: Clock;
}

/** Lets other nodes, and this one, ask the clients that are connected here. */
export function serveClientAnswers({ asks, membership, codecs, clock }: ClientAskerOptions): void {
  asks.answer<AskClients>(ASK_CLIENTS, ({ params: { hub, target, invocationId, written }, body }, reply) => {
    const named = [...select(target, membership.of(hub)).values()].map(({ connection }) => connection);
    const waiting = new Set(named);
    const spoken = new Set(written.map(([codec]) => codec));
    let batch: AnswerCopy[] = [];
    let stopTimer: (() => void) | undefined;
    const send = (answers: ClientAnswers, last: boolean, body?: Uint8Array): void => {
      stopTimer?.();
      stopTimer = undefined;
      reply(answers, last, body);
    };
    const flush = (): void => {
      const bodies = batch.flatMap(({ bytes }) => bytes ?? []);
      const settled = batch.map(({ answer }) => answer);
      batch = [];
      send({ settled }, waiting.size === 0, bodies.length > 0 ? Buffer.concat(bodies) : undefined);
    };
    send({ roster: named.map(({ id }) => id) }, named.length === 0);
    const outgoing = readCopies(written, body, codecs);
    const settle = (connection: Connection, copy: AnswerCopy): void => {
      waiting.delete(connection);
      batch.push(copy);
      if (waiting.size === 0) flush();
      else stopTimer ??= clock.after(BATCH_MS, flush);
    };
    for (const connection of named) {
      try {
        connection.ask(invocationId, outgoing, (answer) => {
          settle(connection, writeAnswer(connection.id, answer, { codec: connection.codec, spoken }));
        });
      } catch (error) {
        settle(connection, { answer: notEncodable(connection.id, error) });
      }
    }
    return () => {
      stopTimer?.();
      for (const connection of waiting) connection.cancelAsked(invocationId);
    };
  });
}
