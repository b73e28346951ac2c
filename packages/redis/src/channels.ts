import { HublineError } from '@hubline/protocol';
import type { ProcessId } from '@hubline/server/backplane';

export type Deliver = (payload: Uint8Array, from: ProcessId) => void;

interface Listener {
  readonly deliver: Deliver;
  /** When the listener was added, by `performance.now()`. */
  readonly since: number;
}

/** The channels that this node receives: those with a listener, and the channels of every node and of this one. */
export class Channels implements Iterable<string> {
  readonly #own: ReadonlySet<string>;
  readonly #listeners = new Map<string, Listener>();
  #isClosed = false;

  constructor(own: readonly string[]) {
    this.#own = new Set(own);
  }

  [Symbol.iterator](): Iterator<string> {
    return new Set([...this.#listeners.keys(), ...this.#own]).values();
  }
  has(channel: string): boolean {
    return this.#listeners.has(channel) || this.#own.has(channel);
  }
  deliverOf(channel: string): Deliver | undefined {
    return this.#listeners.get(channel)?.deliver;
  }
  /** Returns the time since the channel's listener was added, in milliseconds. */
  ageMs(channel: string): number {
    return performance.now() - (this.#listeners.get(channel)?.since ?? 0);
  }

  /** Adds a listener. Returns a function that removes it and returns whether it was still there. @throws HublineError `invalid_option` */
  add(channel: string, deliver: Deliver): () => boolean {
    if (this.#listeners.has(channel)) {
      throw new HublineError('invalid_option', `This node is subscribed to ${channel} already.`, { option: 'channel' });
    }
    if (this.#isClosed) return () => false;
    const listener = { deliver, since: performance.now() };
    this.#listeners.set(channel, listener);
    return () => this.#listeners.get(channel) === listener && this.#listeners.delete(channel);
  }

  /** Removes all listeners, and ignores further ones. */
  close(): void {
    this.#isClosed = true;
    this.#listeners.clear();
  }
}
