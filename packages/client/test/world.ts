import { defineHub } from '@hubline/protocol';
import type { ConnectionEvents, ConnectionState, HubConnection } from '../src/index.ts';
import { connectionIn, type HubConnectionOptions } from '../src/create-hub-connection.ts';
import { FakeClock } from './fake-clock.ts';
import { PlainServer, type PlainServerOptions } from './plain-server.ts';

export interface TestHub {
  echo(...values: readonly unknown[]): Promise<readonly unknown[]>;
  void(): Promise<void>;
  count(...items: number[]): AsyncIterable<number>;
  import(room: string, lines: AsyncIterable<number>): Promise<readonly number[]>;
  zip(left: AsyncIterable<number>, right: AsyncIterable<number>): Promise<readonly number[]>;
  transform(items: AsyncIterable<number>): AsyncIterable<number>;
}
export interface TestReceiver {
  said(from: string, text: string): void;
  confirm(question: string): Promise<unknown>;
}
export const testHub = defineHub<TestHub, TestReceiver>('test', {
  count: 'stream',
  import: { uploads: 1 },
  zip: { uploads: 2 },
  transform: { stream: true, uploads: 1 },
});

type Seen = { [E in keyof ConnectionEvents]: readonly [event: E, ...args: ConnectionEvents[E]] }[keyof ConnectionEvents];

export interface WorldOptions extends HubConnectionOptions<TestHub, TestReceiver>, PlainServerOptions {
  /** A path and query that are appended to the server's url. */
  readonly path?: string;
  /** The url to connect to. Default: the server's. */
  readonly url?: string;
  /** Whether the client uses {@link World.clock}, which only the test advances. */
  readonly manualClock?: boolean;
}

/** A plain server, a connection to it, and the events of the connection. */
export class World implements AsyncDisposable {
  readonly server: PlainServer;
  readonly clock = new FakeClock();
  readonly connection: HubConnection<TestHub, TestReceiver>;
  readonly seen: Seen[] = [];
  /** Wakes the client, as a page does that is shown again. */
  wake = (): void => {};

  private constructor(server: PlainServer, { path = '', url = server.url + path, manualClock = false, ...others }: WorldOptions) {
    this.server = server;
    const { behaves: _b, negotiates: _n, upgrades: _u, handshakes: _s, pongs: _p, ...options } = others;
    const onWake = (wake: () => void, signal: AbortSignal): void => {
      this.wake = () => signal.aborted || wake();
    };
    this.connection = connectionIn({ onWake, ...(manualClock && { clock: this.clock }) }, testHub, { ...options, url });
    for (const event of ['state', 'reconnecting', 'reconnected', 'closed', 'lost', 'error'] as const) {
      this.connection.on(event, (...args: readonly unknown[]) => void this.seen.push([event, ...args] as unknown as Seen));
    }
  }

  static async open(options: WorldOptions = {}): Promise<World> {
    return new World(await PlainServer.start(options), options);
  }

  static async started(options: WorldOptions = {}): Promise<World> {
    const world = await World.open(options);
    await world.connection.start();
    return world;
  }

  get states(): readonly ConnectionState['name'][] {
    return this.emitted('state').map(([state]) => state.name);
  }

  /** Returns the arguments of each event of this name. */
  emitted<E extends keyof ConnectionEvents>(event: E): ConnectionEvents[E][] {
    return this.seen.filter(([name]) => name === event).map(([, ...args]) => args as unknown as ConnectionEvents[E]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.connection.stop();
    await this.server[Symbol.asyncDispose]();
  }
}

export async function collect<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const item of items) all.push(item);
  return all;
}
