import type { Clock } from './clock.ts';

export interface HeartbeatListener {
  /** Called at every heartbeat, with the milliseconds between two of them. */
  heartbeat(ms: number): void;
}

/** Runs one timer for all sessions, which check their time limits at each heartbeat. The timer stops while there are none. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #report: (error: unknown) => void;
  readonly #listeners = new Set<HeartbeatListener>();
  #stop: (() => void) | undefined;

  constructor(clock: Clock, ms: number, report: (error: unknown) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#report = report;
  }

  add(listener: HeartbeatListener): void {
    this.#listeners.add(listener);
    this.#stop ??= this.#clock.every(this.#ms, this.#tick);
  }

  remove(listener: HeartbeatListener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Calls every listener; one that throws is reported, and does not stop the others. */
  readonly #tick = (): void => {
    for (const each of this.#listeners) {
      try {
        each.heartbeat(this.#ms);
      } catch (error) {
        this.#report(error);
      }
    }
  };
}
