/** Random numbers from a seed, the same on each machine. */
export class Random {
  #state = 0x9e3779b9;

  /** Uses all numbers of the seed, so that each case has its own random numbers and can be run alone. */
  constructor(...seed: readonly number[]) {
    for (const part of seed) {
      this.#state ^= part;
      this.#next();
    }
  }

  /** A whole number from 0 to `end - 1`. */
  below(end: number): number {
    return Math.floor((this.#next() / 2 ** 32) * end);
  }

  chance(part: number): boolean {
    return this.#next() < part * 2 ** 32;
  }

  pick<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }

  bytes(count: number): Uint8Array {
    return Uint8Array.from({ length: count }, () => this.below(256));
  }

  /** splitmix32: two rounds of multiplying and folding. */
  #next(): number {
    this.#state = (this.#state + 0x9e3779b9) | 0;
    let mixed = Math.imul(this.#state ^ (this.#state >>> 16), 0x21f0aaad);
    mixed = Math.imul(mixed ^ (mixed >>> 15), 0x735a2d97);
    return (mixed ^ (mixed >>> 15)) >>> 0;
  }
}
