import { firstIndex } from './search.ts';

/** Consecutive numbers, including both ends. */
export type Range = readonly [from: number, to: number];

/** A set of whole numbers, stored as ascending ranges that neither overlap nor touch. */
export class RangeSet {
  readonly #ranges: Range[] = [];

  constructor(ranges: Iterable<Range> = []) {
    for (const [from, to] of ranges) this.add(from, to);
  }

  get isEmpty(): boolean {
    return this.#ranges.length === 0;
  }
  /** The number of ranges. */
  get count(): number {
    return this.#ranges.length;
  }
  /** The lowest number. */
  get first(): number | undefined {
    return this.#ranges[0]?.[0];
  }

  has(number: number): boolean {
    const range = this.#ranges[this.#firstEndingAt(number)];
    return range !== undefined && range[0] <= number;
  }

  add(from: number, to: number): void {
    const start = this.#firstEndingAt(from - 1);
    let end = start;
    let [low, high] = [from, to];
    for (let range = this.#ranges[end]; range && range[0] <= to + 1; range = this.#ranges[++end]) {
      low = Math.min(low, range[0]);
      high = Math.max(high, range[1]);
    }
    this.#ranges.splice(start, end - start, [low, high]);
  }

  /** Deletes numbers, and returns those that were in the set. */
  delete(from: number, to: number): readonly Range[] {
    const start = this.#firstEndingAt(from);
    const removed: Range[] = [];
    const left: Range[] = [];
    let end = start;
    for (let range = this.#ranges[end]; range && range[0] <= to; range = this.#ranges[++end]) {
      const [low, high] = range;
      removed.push([Math.max(low, from), Math.min(high, to)]);
      if (low < from) left.push([low, from - 1]);
      if (high > to) left.push([to + 1, high]);
    }
    this.#ranges.splice(start, end - start, ...left);
    return removed;
  }

  /** Returns the lowest `count` ranges. */
  slice(count: number): readonly Range[] {
    return this.#ranges.slice(0, count);
  }

  /** Removes and returns the lowest range. */
  shift(): Range | undefined {
    return this.#ranges.shift();
  }

  /** Deletes the lowest ranges until at most `count` are left. */
  trim(count: number): void {
    if (this.#ranges.length > count) this.#ranges.splice(0, this.#ranges.length - count);
  }

  /** Returns the index of the first range whose end is not below the number. */
  #firstEndingAt(number: number): number {
    return firstIndex(this.#ranges.length, (i) => this.#ranges[i]![1] < number);
  }
}
