/** Numbers what this process publishes, per channel, without keeping a number for every channel it ever spoke on. */
export class Sequences {
  readonly #last = new Map<string, { sequence: number; usedAt: number }>();
  /** Above every number ever given: a channel that was forgotten begins anew here, and nobody takes it for an old message. */
  #ceiling = 0;

  next(channel: string): { readonly sequence: number; readonly isFirst: boolean } {
    const known = this.#last.get(channel);
    const sequence = known ? known.sequence + 1 : this.#ceiling + 1;
    this.#last.set(channel, { sequence, usedAt: performance.now() });
    this.#ceiling = Math.max(this.#ceiling, sequence);
    return { sequence, isFirst: !known };
  }

  /** The last number of each channel that passes. */
  last(passes: (channel: string) => boolean): Readonly<Record<string, number>> {
    return Object.fromEntries([...this.#last].filter(([channel]) => passes(channel)).map(([channel, { sequence }]) => [channel, sequence]));
  }

  forget(idleMs: number): void {
    const until = performance.now() - idleMs;
    for (const [channel, { usedAt }] of this.#last) if (usedAt < until) this.#last.delete(channel);
  }
}
