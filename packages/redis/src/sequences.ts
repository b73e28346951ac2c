/** Counts this process's frames per channel, and forgets channels that have been idle. */
export class Sequences {
  readonly #last = new Map<string, { sequence: number; usedAt: number }>();
  /** The highest sequence ever used: a forgotten channel starts above it, so that receivers do not take its frames for old ones. */
  #ceiling = 0;

  next(channel: string): { readonly sequence: number; readonly isFirst: boolean } {
    const known = this.#last.get(channel);
    const sequence = known ? known.sequence + 1 : this.#ceiling + 1;
    this.#last.set(channel, { sequence, usedAt: performance.now() });
    this.#ceiling = Math.max(this.#ceiling, sequence);
    return { sequence, isFirst: !known };
  }

  /** The last sequence of each channel that passes. */
  last(passes: (channel: string) => boolean): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#last].filter(([channel]) => passes(channel)).map(([channel, { sequence }]) => [channel, sequence]));
  }

  forget(idleMs: number): void {
    const until = performance.now() - idleMs;
    for (const [channel, { usedAt }] of this.#last) if (usedAt < until) this.#last.delete(channel);
  }
}
