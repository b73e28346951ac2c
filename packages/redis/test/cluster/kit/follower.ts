import type { World } from './world.ts';

interface WatchEvent {
  readonly type: 'snapshot' | 'join' | 'update' | 'leave' | 'online' | 'offline';
  readonly items?: readonly (string | { readonly connectionId: string })[];
  readonly connection?: { readonly connectionId: string };
  readonly userId?: string;
  readonly reason?: string;
}

/** Reads a watch of a node, and keeps who is there by what it tells. */
export class Follower implements AsyncDisposable {
  /** One line an event: `snapshot`, `join <id>`, `leave <id> <reason>`, `online <user>` …. */
  readonly log: string[] = [];
  /** What a correct watch never does: somebody comes who is there, or leaves who is not. */
  readonly wrong: string[] = [];
  /** Why it has ended before its time: its node is gone, say. */
  failure: unknown;
  readonly #present = new Set<string>();
  readonly #over = new AbortController();
  readonly #ended: Promise<void>;

  private constructor(events: (signal: AbortSignal) => AsyncIterable<WatchEvent>) {
    this.#ended = this.#read(events(this.#over.signal)).catch((error: unknown) => void (this.failure = error));
  }

  /** Connections that the filter names. */
  static connections(world: World, number: number, filter: object): Follower {
    return new Follower((signal) => world.stream(number, 'watch', { args: [filter], signal }));
  }
  static users(world: World, number: number, graceMs: number): Follower {
    return new Follower((signal) => world.stream(number, 'watchUsers', { args: [{ all: true }, graceMs], signal }));
  }

  /** In order. */
  get present(): readonly string[] {
    return [...this.#present].sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#over.abort();
    await this.#ended;
  }

  async #read(events: AsyncIterable<WatchEvent>): Promise<void> {
    for await (const event of events) this.#take(event);
  }

  #take({ type, items = [], connection, userId, reason }: WatchEvent): void {
    const id = connection?.connectionId ?? userId ?? '';
    const line = [type, id, reason].filter(Boolean).join(' ');
    this.log.push(line);
    if (type === 'snapshot') {
      if (this.log.length > 1) this.wrong.push('a second snapshot');
      for (const item of items) this.#present.add(typeof item === 'string' ? item : item.connectionId);
      return;
    }
    const comes = type === 'join' || type === 'online';
    if (this.#present.has(id) === comes) this.wrong.push(line);
    if (comes) this.#present.add(id);
    else if (type !== 'update') this.#present.delete(id);
  }
}
