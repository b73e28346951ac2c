import { createHubConnection, isHublineError, type ConnectionState, type HubConnection } from '@hubline/client';
import { playground, type PlaygroundHub, type PlaygroundReceiver } from '../contract.ts';
import { emptyView, withLogLine, withMessage, withOutcome, withPeople, withTick, type Poll, type View } from './view.ts';

export interface SessionOptions {
  readonly name: string;
  readonly nodeId: string;
  readonly room: string;
  /** The URL of a node's hub. */
  readonly hubUrl: (nodeId: string) => URL;
}

/** The user's answer to a question. */
export type Answer = 'yes' | 'no' | 'silence';

type Connection = HubConnection<PlaygroundHub, PlaygroundReceiver>;

/** Shorter delays than the defaults, so that a tab soon reconnects to a restarted node. */
const RECONNECT = { firstMs: 500, maxMs: 4000, initial: true };

/** The connection of a tab, and the view of the data that it receives. */
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

  /** Connects to another node. */
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

  /** Asks every client in the room, and shows the outcomes as they arrive. */
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
        for await (const event of events) change((poll) => withOutcome(poll, event));
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
        const metrics = this.#connection.with({ signal: streaming.signal }).stream.metrics(everyMs);
        for await (const tick of metrics) this.#update({ stream: withTick(this.#view.stream, tick) });
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
        said: (message) => this.#update({ ...withMessage(this.#view, message), lastMessage: message }),
        confirm: (question) => this.#confirm(question),
        withdrawn: (questionId) => this.#answers.get(questionId)?.('silence'),
        metricsEnded: (ended) => this.#update({ stream: { ...this.#view.stream, ended } }),
      },
    });
    connection.on('state', (state) => {
      if (connection === this.#connection) this.#stateChanged(connection, state);
    });
    connection.on('error', (error) => {
      if (!(error instanceof NoAnswer)) this.#update({ problem: error.message });
    });
    // After `this.#connection` is assigned: states of any other connection are ignored.
    queueMicrotask(() => this.#attempt(() => connection.start()));
    return connection;
  }

  #stateChanged(connection: Connection, state: ConnectionState): void {
    this.#update({
      connection: state,
      ...withLogLine(this.#view, { at: Date.now(), state: state.name, text: describe(state, this.#view.nodeId) }),
    });
    if (state.name === 'connected') this.#subscribe(connection);
    else for (const answer of [...this.#answers.values()]) answer('silence'); // the server has reported `connection_gone` already
  }

  /** Enters the room and subscribes again: groups and streams belong to one connection. */
  #subscribe(connection: Connection): void {
    this.#attempt(() => this.#enter(connection));
    this.#attempt(async () => {
      for await (const event of connection.stream.people()) this.#update(withPeople(this.#view, event));
    });
    this.#attempt(async () => {
      for await (const nodes of connection.stream.nodes()) this.#update({ nodes });
    });
  }

  async #enter(connection: Connection): Promise<void> {
    await connection.invoke.enter(this.#view.room);
    for await (const message of connection.stream.history()) this.#update(withMessage(this.#view, message));
  }

  async #confirm(question: View['questions'][number]): Promise<boolean> {
    this.#update({ questions: [...this.#view.questions, question] });
    const answer = await new Promise<Answer>((resolve) => this.#answers.set(question.id, resolve));
    this.#answers.delete(question.id);
    this.#update({ questions: this.#view.questions.filter(({ id }) => id !== question.id) });
    if (answer === 'silence') throw new NoAnswer();
    return answer === 'yes';
  }

  /** Runs an action of the user and shows its error, except that of an ended connection, which is shown elsewhere. */
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

class NoAnswer extends Error {
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
