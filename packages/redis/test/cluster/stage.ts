import { defineHub } from '@hubline/protocol';
import { type Filter } from '@hubline/server';

/** What was refused to the node that said it, of so many that it said. */
export interface Account {
  readonly sent: number;
  /** The numbers of those whose `confirmed` was rejected, in order. */
  readonly refused: readonly number[];
}

/** What happened to a node, in order. */
export interface StageEvent {
  readonly name: 'down' | 'up' | 'gap' | 'lost' | 'error' | 'nodeJoined' | 'nodeLost';
  /** How many the node had said then. */
  readonly sent: number;
  /** The code of an error, else the message, the node concerned, or what the gap says. */
  readonly what: unknown;
}

export interface Stage {
  /** Has the node say something to everybody, so many times a second. */
  begin(perSecond: number): Promise<void>;
  /** It says no more. Settles when everything is confirmed or refused. */
  end(): Promise<Account>;
  events(): Promise<readonly StageEvent[]>;
  join(group: string): Promise<void>;
  /** Settles when it is confirmed. */
  tell(whom: Filter<Marks>, what: unknown): Promise<void>;
  count(whom: Filter<Marks>): Promise<{ readonly value: number; readonly complete: boolean }>;
}

export interface Audience {
  /** The node's name, its how many-th, and when it was said: milliseconds since the epoch. */
  said(from: string, n: number, at: number): void;
  told(what: unknown): void;
}

export interface Marks {
  readonly side: string;
}

export const stage = (name: string) => defineHub<Stage, Audience, Marks>(name);
