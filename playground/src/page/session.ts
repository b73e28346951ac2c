import { createHubConnection, isHublineError, type ConnectionState, type HubConnection } from '@hubline/client';
import { playground, type PlaygroundHub, type PlaygroundReceiver } from '../contract.ts';
import { emptyView, heard, logged, polled, seen, ticked, type Poll, type View } from './view.ts';

export interface SessionOptions {
  readonly name: string;
  readonly nodeId: string;
  readonly room: string;
  /** The URL of a node's hub. */
  readonly hubUrl: (nodeId: string) => URL;
}

/** A person's answer to a question. */
export type Answer = 'yes' | 'no' | 'silence';

type Connection = HubConnection<PlaygroundHub, PlaygroundReceiver>;

/** How soon a node is found again after it was started: this is a demonstration. */
const RECONNECT = { firstMs: 500, maxMs: 4000, initial: true };

/** One tab's place in the cluster: a connection, and the view of what it brings. */
export class Session {
  readonly #options: SessionOptions;
  readonly #listeners = new Set<() => void>();
  readonly #answers = new Map<string, (answer: Answer) => void>();
  #view: View;
  #connection: Connection;
  #poll: AbortController | undefined;
  #stream: AbortController | undefined;

  constructor(options: SessionOptions) {
    this.#options = options;
    this.#view = emptyView(options);
    this.#connection = this.#connect(options.nodeId);
  }

  get view(): View {
    return this.#view;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  };

  /** Leaves the node for another one. */
  async moveTo(nodeId: string): Promise<void> {
    if (nodeId === this.#view.nodeId) return;
    const before = this.#connection;
    this.#update({ nodeId });
    this.#connection = this.#connect(nodeId);
    await before.stop();
  }

  async close(): Promise<void> {
    await this.#connection.stop();
  }

  enter(room: string): void {
    this.#update({ room, entries: [] });
    if (this.#view.connection.name === 'connected') this.#attempt(() => this.#enter(this.#connection));
  }

  say(text: string): void {
    this.#attempt(() => this.#connection.invoke.say(text));
  }

  /** Asks everybody in the room, and shows the answers as they come. */
  ask(text: string, timeoutMs: number): void {
    this.withdraw();
    const asking = (this.#poll = new AbortController());
    this.#update({ poll: { text, timeoutMs, state: 'open', rows: [] } });
    const change = (next: (poll: Poll) => Poll): void => {
      if (this.#poll === asking && this.#view.poll) this.#update({ poll: next(this.#view.poll) });
    };
    this.#attempt(async () => {
      try {
        const events = this.#connection.with({ signal: asking.signal }).stream.ask(text, timeoutMs);
        for await (const event of events) change((poll) => polled(poll, event));
        change((poll) => ({ ...poll, state: 'done' }));
      } catch (error) {
        change((poll) => ({ ...poll, state: asking.signal.aborted ? 'withdrawn' : 'lost' }));
        throw error;
      }
    });
  }

  withdraw(): void {
    this.#poll?.abort();
  }

  answer(questionId: string, answer: Answer): void {
    this.#answers.get(questionId)?.(answer);
  }

  startStream(everyMs: number): void {
    this.stopStream();
    const streaming = (this.#stream = new AbortController());
    this.#update({ stream: { running: true, received: 0, samples: [] } });
    this.#attempt(async () => {
      try {
        const vitals = this.#connection.with({ signal: streaming.signal }).stream.vitals(everyMs);
        for await (const one of vitals) this.#update({ stream: ticked(this.#view.stream, one) });
      } finally {
        if (this.#stream === streaming) this.#update({ stream: { ...this.#view.stream, running: false } });
      }
    });
  }

  stopStream(): void {
    this.#stream?.abort();
  }

  dismissProblem(): void {
    const { problem: _, ...view } = this.#view;
    this.#show(view);
  }

  #connect(nodeId: string): Connection {
    const url = this.#options.hubUrl(nodeId);
    url.searchParams.set('name', this.#options.name);
    const connection: Connection = createHubConnection(playground, url, {
      reconnect: RECONNECT,
      receiver: {
        said: (message) => this.#update({ ...heard(this.#view, message), heard: message }),
        confirm: (question) => this.#confirm(question),
        withdrawn: (questionId) => this.#answers.get(questionId)?.('silence'),
        vitalsEnded: (ended) => this.#update({ stream: { ...this.#view.stream, ended } }),
      },
    });
    connection.on('state', (state) => {
      if (connection === this.#connection) this.#entered(connection, state);
    });
    connection.on('error', (error) => {
      if (!(error instanceof RatherNot)) this.#update({ problem: error.message });
    });
    // Not before the constructor has put it in its place: its states would be taken for those of another one.
    queueMicrotask(() => this.#attempt(() => connection.start()));
    return connection;
  }

  #entered(connection: Connection, state: ConnectionState): void {
    this.#update({
      connection: state,
      ...logged(this.#view, { at: Date.now(), state: state.name, text: describe(state, this.#view.nodeId) }),
    });
    if (state.name === 'connected') this.#arrive(connection);
    else for (const answer of [...this.#answers.values()]) answer('silence'); // whoever asked has been told that we are gone
  }

  /** Groups belong to a connection: a new one enters again, and looks again. */
  #arrive(connection: Connection): void {
    this.#attempt(() => this.#enter(connection));
    this.#attempt(async () => {
      for await (const event of connection.stream.people()) this.#update(seen(this.#view, event));
    });
    this.#attempt(async () => {
      for await (const nodes of connection.stream.nodes()) this.#update({ nodes });
    });
  }

  async #enter(connection: Connection): Promise<void> {
    await connection.invoke.enter(this.#view.room);
    for await (const message of connection.stream.history()) this.#update(heard(this.#view, message));
  }

  async #confirm(question: View['questions'][number]): Promise<boolean> {
    this.#update({ questions: [...this.#view.questions, question] });
    const answer = await new Promise<Answer>((resolve) => this.#answers.set(question.id, resolve));
    this.#answers.delete(question.id);
    this.#update({ questions: this.#view.questions.filter(({ id }) => id !== question.id) });
    if (answer === 'silence') throw new RatherNot();
    return answer === 'yes';
  }

  /** For what a person does: shows what went wrong, except that the connection was lost, which is shown as such. */
  #attempt(action: () => Promise<unknown>): void {
    action().catch((error: unknown) => {
      if (isHublineError(error) && EXPECTED.has(error.code)) return;
      this.#update({ problem: error instanceof Error ? error.message : String(error) });
    });
  }

  #update(change: Partial<View>): void {
    this.#show({ ...this.#view, ...change });
  }

  #show(view: View): void {
    this.#view = view;
    for (const listener of this.#listeners) listener();
  }
}

const EXPECTED: ReadonlySet<string> = new Set(['connection_lost', 'cancelled']);

class RatherNot extends Error {
  constructor() {
    super('Rather not say.');
  }
}

function describe(state: ConnectionState, nodeId: string): string {
  switch (state.name) {
    case 'idle':
      return 'not started';
    case 'connecting':
      return state.attempt === 0 ? `calling ${nodeId}` : `calling ${nodeId}, attempt ${state.attempt + 1}`;
    case 'connected':
      return `connected to ${nodeId}`;
    case 'reconnecting':
      return `attempt ${state.attempt} in ${Math.round(state.delayMs)} ms`;
    case 'closed':
      return state.cause?.message ?? 'closed';
  }
}
