import { defineHub } from '@hubline/protocol';

/** `all` are all connections, `room` those that have joined. */
export type Topic = 'all' | 'room';

/** An answer of the presence query, from the node of the caller. */
export interface Answer {
  readonly members: readonly string[];
  readonly count: number;
  readonly complete: boolean;
}

export interface Outcome {
  readonly connectionId: string;
  readonly status: string;
}

interface MatrixHub {
  /** Sends messages in one turn, and resolves when they are confirmed. Returns the connection id of the caller, as the next ones do. */
  say(topic: Topic, messages: readonly string[]): Promise<string>;
  /** Sends messages in one turn, and does not wait for the backplane. */
  shout(topic: Topic, messages: readonly string[]): Promise<string>;
  join(): Promise<string>;
  leave(): Promise<string>;
  who(): Promise<Answer>;
  /** Calls one client. Returns `fulfilled`, or the code of the error. */
  ask(connectionId: string): Promise<string>;
  askAll(): Promise<{ readonly items: readonly Outcome[]; readonly missingNodes: readonly string[] }>;
  /** Yields `<stream>/1`, `<stream>/2` … */
  count(stream: string, items: number): AsyncIterable<string>;
}

interface MatrixReceiver {
  said(message: string): void;
  confirm(): Promise<boolean>;
}

export const matrix = defineHub<MatrixHub, MatrixReceiver>('matrix', { count: 'stream' });
