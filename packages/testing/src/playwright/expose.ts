/** The functions of a page that its test may call: see `Peer`. */
export interface PageControl {
  readonly state: () => ExposedState;
  readonly call: (method: string, args: readonly unknown[]) => Promise<unknown>;
  /** Reads a stream to its end, and returns the number of its items. Each one is an event with the name of the method. */
  readonly stream: (method: string, args: readonly unknown[]) => Promise<number>;
  /** The calls that the page received and its states, since the page was loaded. */
  readonly events: () => readonly PageEvent[];
}

/** An event of a page, with its time in milliseconds since the epoch. */
export interface PageEvent {
  readonly atMs: number;
  /** `state`, or the name of a receiver or of a stream. The arguments of the state `connected` are the connection id and the node too. */
  readonly name: string;
  readonly args: readonly unknown[];
}

/** A state of the connection. The server names its node. */
export interface ExposedState {
  readonly name: string;
  readonly connectionId?: string | undefined;
  readonly node?: string | undefined;
}

/** The part of a connection of `@hubline/client` that is controlled. */
export interface ExposedConnection {
  readonly state: ExposedState;
  /** The methods that stream, by name. */
  readonly stream: object;
  call(method: string, args?: readonly unknown[]): Promise<unknown>;
  receive(name: string, handler: (...args: unknown[]) => unknown): () => void;
  on(event: 'state', listener: (state: ExposedState) => void): () => void;
}

/**
 * Lets the fixtures of `@hubline/testing/playwright` control a connection of the page. Call it before `start`, and only in tests.
 * @param events The names of the events of the hub that are recorded.
 */
export function expose(connection: ExposedConnection, events: readonly string[] = []): void {
  control(connection, { events, results: {} });
}

export interface ControlOptions {
  readonly events: readonly string[];
  /** By the name of a receiver that the server awaits, its result. */
  readonly results: Readonly<Record<string, unknown>>;
}

/** Makes the control the global `hublinePeer`. It is also sent to pages as text, so it uses nothing outside of it. */
export function control(connection: ExposedConnection, { events: names, results }: ControlOptions): void {
  const events: PageEvent[] = [];
  const record = (name: string, args: readonly unknown[]): void => void events.push({ atMs: Date.now(), name, args });
  for (const name of names) connection.receive(name, (...args) => record(name, args));
  for (const [name, result] of Object.entries(results)) {
    connection.receive(name, (...args) => {
      record(name, args);
      return result;
    });
  }
  connection.on('state', ({ name, connectionId, node }) => record('state', name === 'connected' ? [name, connectionId, node] : [name]));
  const exposed: PageControl = {
    state: () => {
      const { name, connectionId, node } = connection.state;
      return { name, connectionId, node };
    },
    call: (method, args) => connection.call(method, args),
    stream: async (method, args) => {
      const streams = connection.stream as Readonly<Record<string, (...args: readonly unknown[]) => AsyncIterable<unknown>>>;
      let items = 0;
      for await (const item of streams[method]?.(...args) ?? []) {
        record(method, [item]);
        items++;
      }
      return items;
    },
    events: () => events,
  };
  Object.assign(globalThis, { hublinePeer: exposed });
}
