import type { ProcessId } from '@hubline/server/backplane';
import { incarnationOf, type Incarnation, type Keys } from './keys.ts';
import type { Command } from './redis-connection.ts';
import { LEASE, WHOLE } from './values.ts';

export interface SessionOptions {
  readonly process: ProcessId;
  readonly n: number;
  readonly keys: Keys;
  readonly nodeTimeoutMs: number;
}

/**
 * One life of this process in Redis: an incarnation, its lease, and what is known of the entries that were written under it. It
 * begins with a registration, and lasts until the next one: after an outage, or when the lease has ended or writes are lost.
 */
export class Session {
  readonly n: number;
  readonly incarnation: Incarnation;
  /** The version of the last flush that was written completely. */
  flushed = 0;
  /** The value in {@link Keys.watched}. */
  watched: string | undefined;
  /** Whether some state of this process is not written. */
  isPartial = false;
  /** When the lease was renewed last. */
  renewedAt = 0;
  readonly #keys: Keys;
  readonly #nodeTimeoutMs: number;
  /** The last value of each shard's write counter. */
  readonly #counts = new Map<string, number>();

  constructor({ process, n, keys, nodeTimeoutMs }: SessionOptions) {
    this.n = n;
    this.incarnation = incarnationOf(process, n);
    this.#keys = keys;
    this.#nodeTimeoutMs = nodeTimeoutMs;
  }

  /** Writes the lease anew, unless it has ended. */
  lease(state: keyof typeof LEASE): Command {
    return ['set', this.#keys.lease(this.incarnation), LEASE[state], 'PX', this.#nodeTimeoutMs, 'XX'];
  }

  /** Marks the entries of this session as whole. */
  whole(): Command {
    return ['set', this.#keys.whole(this.incarnation), WHOLE];
  }

  /** Makes the answers of other nodes incomplete that read these entries. Redis grants it also without memory. */
  partial(): Command {
    return ['del', this.#keys.whole(this.incarnation)];
  }

  /** The commands that end a write on the shards of these tags: they count it there, and renew the lease. */
  lossCheck(tags: readonly string[]): readonly Command[] {
    const { incarnation } = this;
    return [
      ...tags.map((tag): Command => ['incr', this.#keys.writes(incarnation, tag)]),
      ['pexpire', this.#keys.lease(incarnation), this.#nodeTimeoutMs], // a Redis without memory refuses SET, and not this
      ...(this.isPartial ? [this.partial()] : []),
    ];
  }

  /** Commands that read the write counters on the shards of these tags. */
  counters(tags: Iterable<string>): readonly Command[] {
    const counters = [...tags].map((tag) => this.#keys.writes(this.incarnation, tag));
    return counters.filter((key) => this.#counts.has(key)).map((key) => ['get', key]);
  }

  /** Whether the lease lives and no earlier write is lost, by the answers to commands that end with a loss check. */
  isIntact(commands: readonly Command[], answers: readonly unknown[]): boolean {
    let isIntact = true;
    commands.forEach(([name, key], i) => {
      if (key === this.#keys.lease(this.incarnation) && !answers[i]) isIntact = false;
      if (name !== 'incr') return;
      const count = Number(answers[i]);
      if (count !== (this.#counts.get(String(key)) ?? 0) + 1) isIntact = false;
      this.#counts.set(String(key), count);
    });
    return isIntact;
  }
}
