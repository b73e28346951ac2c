import { setImmediate } from 'node:timers';

/** A clock for clients and servers in memory. Its time passes only in {@link FakeClock.advance}. */
export class FakeClock {
  /** Milliseconds since the epoch. */
  #now: number;
  readonly #timers = new Set<Timer>();

  constructor(now = Date.UTC(2026, 0, 1)) {
    this.#now = now;
  }

  readonly now = (): number => this.#now;
  readonly elapsed = (): number => this.#now;
  readonly after = (ms: number, then: () => void): (() => void) => this.#add({ at: this.#now + ms, everyMs: undefined, then });
  readonly every = (ms: number, then: () => void): (() => void) => this.#add({ at: this.#now + ms, everyMs: ms, then });

  /** Lets the time pass. Runs the timers that are due, in order, and after each what follows from it in memory: messages, calls, results. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms;
    await settle();
    for (;;) {
      const [due] = [...this.#timers].filter(({ at }) => at <= end).sort((one, other) => one.at - other.at);
      if (!due) break;
      this.#now = due.at;
      if (due.everyMs === undefined) this.#timers.delete(due);
      else due.at += due.everyMs;
      due.then();
      await settle();
    }
    this.#now = end;
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer);
    return () => void this.#timers.delete(timer);
  }
}

interface Timer {
  at: number;
  readonly everyMs: number | undefined;
  readonly then: () => void;
}

/** A message and its answer take two turns of the event loop, a reconnect six. */
const TURNS = 10;

async function settle(): Promise<void> {
  // Not the global function, which fake timers replace.
  for (let turn = 0; turn < TURNS; turn++) await new Promise<void>((resolve) => void setImmediate(resolve));
}
