import type { Clock } from './clock.ts';

export interface HeartbeatListener {
  heartbeat(ms: number): void;
}

/** One timer for all connections: keep-alive, silence and deadlines are looked at together. It stops when there are none. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #report: (error: unknown) => void;
  readonly #members = new Set<HeartbeatListener>();
  #stop: (() => void) | undefined;

  constructor(clock: Clock, ms: number, report: (error: unknown) => void) {
    this.#clock = clock;
    this.#ms = ms;
    this.#report = report;
  }

  add(member: HeartbeatListener): void {
    this.#members.add(member);
    this.#stop ??= this.#clock.every(this.#ms, this.#beat);
  }

  remove(member: HeartbeatListener): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }

  /** Calls every listener; one that throws is reported, and does not stop the others. */
  readonly #beat = (): void => {
    for (const each of this.#members) {
      try {
        each.heartbeat(this.#ms);
      } catch (error) {
        this.#report(error);
      }
    }
  };
}
