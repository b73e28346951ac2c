import { slices } from './entries.ts';
import type { Incarnation } from './keys.ts';
import type { LinkContext } from './link-context.ts';
import type { Command } from './redis-connection.ts';
import { decodeTexts } from './values.ts';

export type SweeperOptions = Pick<LinkContext, 'store' | 'keys' | 'settings' | 'status' | 'observer'>;

/** Topics that are swept in one round trip. */
const PAGE = 500;

/**
 * Deletes the entries of ended incarnations, which queries no longer show. The first pass removes them from the counts of topics. The
 * second pass deletes all other entries, also those that an ending process has written in between. Until then `membersOf`
 * can read them.
 */
export class Sweeper {
  readonly #options: SweeperOptions;
  readonly #timers = new Map<Incarnation, NodeJS.Timeout>();

  constructor(options: SweeperOptions) {
    this.#options = options;
  }

  /** Schedules the sweep of an ended incarnation. All nodes schedule it at the same time; the first one to take the lock sweeps. */
  schedule(incarnation: Incarnation, waitMs = 0): void {
    if (this.#timers.has(incarnation)) return;
    const { store, keys, settings } = this.#options;
    const { sweepDelayMs: delayMs, nodeTimeoutMs: lockMs } = settings;
    const spreadMs = Math.random() * Math.min(1000, lockMs);
    const second = async (): Promise<void> => {
      if (await this.#withLock(incarnation, 2, () => this.deleteAll(incarnation))) return void this.#timers.delete(incarnation);
      // Another node sweeps. If it does not finish, this one does.
      const [left] = await store.run([['hmget', keys.registry, incarnation]]);
      if ((left as readonly unknown[])[0] === null) this.#timers.delete(incarnation);
      else this.#after(incarnation, lockMs, second);
    };
    this.#after(incarnation, waitMs + spreadMs, async () => {
      await this.#withLock(incarnation, 1, () => this.#removeFromTopics(incarnation));
      this.#after(incarnation, delayMs, second);
    });
  }

  /** Deletes all entries of an incarnation. @throws HublineError `backplane_unavailable` */
  async deleteAll(incarnation: Incarnation): Promise<void> {
    const { store, keys } = this.#options;
    await this.#removeFromTopics(incarnation);
    await this.#forEachTopic(incarnation, (topic) => ['del', keys.members(topic, incarnation)]);
    const [ids] = await store.read([['hkeys', keys.records(incarnation)]]);
    for (const slice of slices(decodeTexts(ids) ?? [])) await store.run(slice.map((id): Command => ['del', keys.groups(incarnation, id)]));
    const own = [
      keys.topics(incarnation),
      keys.records(incarnation),
      keys.watches(incarnation),
      keys.flushed(incarnation),
      keys.lease(incarnation),
      keys.whole(incarnation),
    ];
    const counters = store.tags().map((tag) => keys.writes(incarnation, tag));
    await store.run([...own, ...counters].map((key): Command => ['del', key]));
    await store.run([
      ['hdel', keys.registry, incarnation],
      ['del', keys.sweep(incarnation, 1)],
      ['del', keys.sweep(incarnation, 2)],
    ]);
  }

  close(): void {
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  async #removeFromTopics(incarnation: Incarnation): Promise<void> {
    const { store, keys } = this.#options;
    await store.run([['hdel', keys.watched, incarnation]]);
    await this.#forEachTopic(incarnation, (topic) => ['hdel', keys.counts(topic), incarnation]);
  }

  async #forEachTopic(incarnation: Incarnation, command: (topic: string) => Command): Promise<void> {
    const { store, keys } = this.#options;
    for (let from = '-', more = true; more;) {
      const [listed] = await store.read([['zrangebylex', keys.topics(incarnation), from, '+', 'LIMIT', 0, PAGE]]);
      const page = decodeTexts(listed) ?? [];
      await store.run(page.map(command));
      from = `(${page.at(-1)}`;
      more = page.length === PAGE;
    }
  }

  async #withLock(incarnation: Incarnation, pass: 1 | 2, sweep: () => Promise<void>): Promise<boolean> {
    const { store, keys, settings } = this.#options;
    const [reply] = await store.run([['set', keys.sweep(incarnation, pass), '1', 'PX', settings.nodeTimeoutMs, 'NX']]);
    if (reply === 'OK') await sweep();
    return reply === 'OK';
  }

  #after(incarnation: Incarnation, ms: number, task: () => Promise<void>): void {
    const timer = setTimeout(() => {
      task().catch((error: unknown) => {
        const isRefused = this.#options.status.isUp; // otherwise Redis is unavailable
        if (isRefused) this.#options.observer.report('sweep', error);
        this.#timers.delete(incarnation);
        this.schedule(incarnation, isRefused ? this.#options.settings.sweepDelayMs : 0); // both passes
      });
    }, ms);
    this.#timers.set(incarnation, timer.unref());
  }
}
