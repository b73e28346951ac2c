import type { Clock } from './clock.ts';

export interface HeartbeatListener {
  beat(ms: number): void;
}

/** One timer for all connections: keep-alive, silence and deadlines are looked at together. It stops when there are none. */
export class Heartbeat {
  readonly #clock: Clock;
  readonly #ms: number;
  readonly #members = new Set<HeartbeatListener>();
  #stop: (() => void) | undefined;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  add(member: HeartbeatListener): void {
    this.#members.add(member);
    this.#stop ??= this.#clock.every(this.#ms, () => {
      for (const each of this.#members) each.beat(this.#ms);
    });
  }

  remove(member: HeartbeatListener): void {
    this.#members.delete(member);
    if (this.#members.size > 0) return;
    this.#stop?.();
    this.#stop = undefined;
  }
}
