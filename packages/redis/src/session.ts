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
 * A session of this process in Redis: an incarnation, its lease, and the state of its writes. It begins with a registration, and lasts
 * until the next one: after an outage, or when the lease has ended or writes are missing.
 */
export class Session {
  readonly n: number;
  readonly incarnation: Incarnation;
  /** The version of the last flush that was written completely. */
  flushed = 0;
  /** The value that was written to {@link Keys.watched}. */
  watched: string | undefined;
  /** Whether some state of this process is not written. */
  isPartial = false;
  /** When the lease was renewed last, by `performance.now()`. */
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

  /** Returns the command that sets the state of the lease, unless the lease has ended. */
  leaseCommand(state: keyof typeof LEASE): Command {
    return ['set', this.#keys.lease(this.incarnation), LEASE[state], 'PX', this.#nodeTimeoutMs, 'XX'];
  }

  /** Returns the command that marks the entries of this session as complete. */
  markCompleteCommand(): Command {
    return ['set', this.#keys.whole(this.incarnation), WHOLE];
  }

  /** Returns the command that marks them as incomplete, so that answers name this node as missing. Redis runs it also without memory. */
  markIncompleteCommand(): Command {
    return ['del', this.#keys.whole(this.incarnation)];
  }

  /** Returns the commands that end a write on the shards of these tags: they count the write there, and renew the lease. */
  lossCheck(tags: readonly string[]): readonly Command[] {
    const { incarnation } = this;
    return [
      ...tags.map((tag): Command => ['incr', this.#keys.writes(incarnation, tag)]),
      // A Redis without memory refuses SET but not GETEX. Garnet 2.2.8 answers PEXPIRE with invalid bytes if the key has expired.
      ['getex', this.#keys.lease(incarnation), 'PX', this.#nodeTimeoutMs],
      ...(this.isPartial ? [this.markIncompleteCommand()] : []),
    ];
  }

  /** Returns commands that read the write counters on the shards of these tags. */
  counters(tags: Iterable<string>): readonly Command[] {
    const counters = [...tags].map((tag) => this.#keys.writes(this.incarnation, tag));
    return counters.filter((key) => this.#counts.has(key)).map((key) => ['get', key]);
  }

  /** Whether the lease exists and no earlier write is missing, by the answers to commands that end with a loss check. */
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
