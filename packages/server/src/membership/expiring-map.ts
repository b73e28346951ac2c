export interface ExpiringMapOptions {
  /** A clock that only goes forward, in milliseconds. */
  readonly elapsed: () => number;
  /** Every entry is kept for at least this long, and for at most twice as long. Default 60,000. */
  readonly keepMs?: number;
  /** The most memory of the map, estimated. Beyond it the oldest entries are dropped earlier. Default 16 MiB. */
  readonly maxBytes?: number;
}

/** The estimated memory of a `Map` entry, without the characters of its key. */
const ENTRY_BYTES = 72;

/** A map whose entries expire. It has two generations: when the younger one is old or full, the older one is dropped. */
export class ExpiringMap<V> {
  readonly #elapsed: () => number;
  readonly #keepMs: number;
  readonly #generationBytes: number;
  #young = new Map<string, V>();
  #old = new Map<string, V>();
  #youngBytes = 0;
  #youngSince: number;
  #hasExpired = false;

  constructor({ elapsed, keepMs = 60_000, maxBytes = 16 * 1024 * 1024 }: ExpiringMapOptions) {
    this.#elapsed = elapsed;
    this.#keepMs = keepMs;
    this.#generationBytes = maxBytes / 2;
    this.#youngSince = elapsed();
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Whether any entry has been dropped. */
  get hasExpired(): boolean {
    return this.#hasExpired;
  }

  get(key: string): V | undefined {
    return this.#young.get(key) ?? this.#old.get(key);
  }

  set(key: string, value: V): void {
    this.#turn();
    if (!this.#young.has(key)) this.#youngBytes += ENTRY_BYTES + key.length;
    this.#young.set(key, value);
  }

  #turn(): void {
    const ageMs = this.#elapsed() - this.#youngSince;
    if (ageMs < this.#keepMs && this.#youngBytes < this.#generationBytes) return;
    const hasYoungExpired = ageMs >= 2 * this.#keepMs;
    this.#hasExpired ||= this.#old.size > 0 || (hasYoungExpired && this.#young.size > 0);
    this.#old = hasYoungExpired ? new Map<string, V>() : this.#young;
    this.#young = new Map();
    this.#youngBytes = 0;
    this.#youngSince += ageMs;
  }
}
