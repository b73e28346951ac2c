/** What a page lets its test do: see `Peer`. */
export interface PageControl {
  readonly state: () => string;
  readonly call: (method: string, args: readonly unknown[]) => Promise<unknown>;
  /** What the page received and its states, since the page was loaded. */
  readonly events: () => readonly PageEvent[];
}

/** An event of a page, with its time in milliseconds since the epoch. */
export interface PageEvent {
  readonly atMs: number;
  /** `state`, or the name of a receiver. */
  readonly name: string;
  readonly args: readonly unknown[];
}

/** The part of a connection of `@hubline/client` that is controlled. */
export interface ExposedConnection {
  readonly state: { readonly name: string };
  call(method: string, args?: readonly unknown[]): Promise<unknown>;
  receive(name: string, handler: (...args: unknown[]) => unknown): () => void;
  on(event: 'state', listener: (state: { readonly name: string }) => void): () => void;
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
  connection.on('state', ({ name }) => record('state', [name]));
  const exposed: PageControl = {
    state: () => connection.state.name,
    call: (method, args) => connection.call(method, args),
    events: () => events,
  };
  Object.assign(globalThis, { hublinePeer: exposed });
}
