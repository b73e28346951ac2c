import type { Codec } from '@hubline/protocol';
import type { Clock } from '../connection/index.ts';
import { readCopies, select, type Roster, type Selector, type Written } from '../membership/index.ts';
import type { Asks } from './asks.ts';
import { settledBy, type Settled } from './outcome.ts';

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
  readonly settled?: readonly Settled[];
}

export const ASK_CLIENTS = 'clients';

/** Answers that come close together go as one message. */
const BATCH_MS = 10;

export interface ClientAskerOptions {
  readonly asks: Asks;
  readonly roster: Roster;
  readonly codecs: ReadonlyMap<string, Codec>;
  readonly clock: Clock;
}

/** Lets other nodes, and this one, ask the clients that are connected here. */
export function serveClientAnswers({ asks, roster, codecs, clock }: ClientAskerOptions): void {
  asks.answer<AskClients>(ASK_CLIENTS, ({ params: { hub, target, invocationId, written }, body }, reply) => {
    const named = [...select(target, roster.of(hub)).values()].map(({ connection }) => connection);
    const waiting = new Set(named);
    let batch: Settled[] = [];
    let stopTimer: (() => void) | undefined;
    const send = (answers: ClientAnswers, last: boolean): void => {
      stopTimer?.();
      stopTimer = undefined;
      reply(answers, last);
    };
    const flush = (): void => {
      const settled = batch;
      batch = [];
      send({ settled }, waiting.size === 0);
    };
    send({ roster: named.map(({ id }) => id) }, named.length === 0);
    const outgoing = readCopies(written, body, codecs);
    for (const connection of named) {
      connection.ask(invocationId, outgoing, (answer) => {
        waiting.delete(connection);
        batch.push(settledBy(connection.id, answer));
        if (waiting.size === 0) flush();
        else stopTimer ??= clock.after(BATCH_MS, flush);
      });
    }
    return () => {
      stopTimer?.();
      for (const connection of waiting) connection.cancelAsked(invocationId);
    };
  });
}
