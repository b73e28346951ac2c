import type { Topic } from '@hubline/server/backplane';
import { slices } from './entries.ts';
import type { Incarnation, Keys } from './keys.ts';
import type { LinkContext } from './link-context.ts';
import type { Command } from './redis-connection.ts';
import { decodeLease, decodeTexts, decodeWatched, isAlive, isIncarnation } from './values.ts';

export type WatchersOptions = Pick<LinkContext, 'store' | 'keys' | 'unreadable'>;

/** The most watched topics of one incarnation that are cached. If it watches more, each flush queries its own topics. */
const KEPT = 100;

/**
 * Finds the topics that any node watches. A flush reads one hash with a version per incarnation, and reads the topics again only of
 * incarnations with a new version.
 */
export class Watchers {
  readonly #options: WatchersOptions;
  readonly #kept = new Map<Incarnation, { readonly version: string; readonly topics: ReadonlySet<Topic> }>();

  constructor(options: WatchersOptions) {
    this.#options = options;
  }

  /** Returns the touched topics that a live incarnation watches. @throws HublineError `backplane_unavailable` */
  async watchedAmong(touched: ReadonlySet<Topic>, { listed, own, held }: Watching): Promise<ReadonlySet<Topic>> {
    const watched = new Set<Topic>();
    for (const topic of touched) if (held.has(topic)) watched.add(topic);
    const others = this.#decode(listed, own);
    for (const incarnation of this.#kept.keys()) if (!others.has(incarnation)) this.#kept.delete(incarnation);
    if (others.size === 0 || touched.size === watched.size) return watched;
    const left = [...touched].filter((topic) => !watched.has(topic));
    const found = await this.#topicsOf(others, left);
    const candidates = [...found].filter(([, topics]) => topics.length > 0);
    const living = await this.#living(candidates.map(([incarnation]) => incarnation));
    for (const [incarnation, topics] of candidates) {
      if (living.has(incarnation)) for (const topic of topics) watched.add(topic);
    }
    return watched;
  }

  /** Decodes the hash of watches. The watches of an incarnation are undefined if they cannot be decoded. */
  #decode(listed: unknown, own: Incarnation): ReadonlyMap<Incarnation, Watches | undefined> {
    const { keys, unreadable } = this.#options;
    const others = new Map<Incarnation, Watches | undefined>();
    for (const [field, value] of Object.entries(listed ?? {})) {
      if (field === own) continue;
      const watches = decodeWatched(value);
      if (!isIncarnation(field) || !watches) unreadable.value(keys.watched, field);
      if (isIncarnation(field)) others.set(field, watches);
    }
    return others;
  }

  /** Returns the touched topics that each incarnation watches; all of them if its watches cannot be decoded. */
  async #topicsOf(others: ReadonlyMap<Incarnation, Watches | undefined>, touched: readonly Topic[]) {
    const { store, keys, unreadable } = this.#options;
    const found = new Map<Incarnation, readonly Topic[]>();
    const few: Incarnation[] = [];
    const many: Incarnation[] = [];
    for (const [incarnation, watches] of others) {
      const kept = this.#kept.get(incarnation);
      if (!watches) found.set(incarnation, touched);
      else if (kept?.version === watches.version)
        found.set(
          incarnation,
          touched.filter((topic) => kept.topics.has(topic)),
        );
      else (watches.size <= KEPT ? few : many).push(incarnation);
    }
    const parts = [...slices(touched)];
    const answers = await store.read([
      ...few.map((incarnation): Command => ['smembers', keys.watches(incarnation)]),
      ...many.flatMap((incarnation) => parts.map((part): Command => ['smismember', keys.watches(incarnation), ...part])),
    ]);
    few.forEach((incarnation, i) => {
      const list = decodeTexts(answers[i]);
      if (!list) unreadable.value(keys.watches(incarnation));
      const topics = new Set(list);
      if (list) this.#kept.set(incarnation, { version: others.get(incarnation)?.version ?? '', topics });
      found.set(incarnation, list ? touched.filter((topic) => topics.has(topic)) : touched);
    });
    many.forEach((incarnation, i) => {
      const at = few.length + i * parts.length;
      const isWatched = answers.slice(at, at + parts.length).flat();
      if (isWatched.length !== touched.length) unreadable.value(keys.watches(incarnation));
      found.set(incarnation, isWatched.length === touched.length ? touched.filter((_topic, j) => isWatched[j] === 1) : touched);
    });
    return found;
  }

  async #living(incarnations: readonly Incarnation[]): Promise<ReadonlySet<Incarnation>> {
    if (incarnations.length === 0) return new Set();
    const { store, keys } = this.#options;
    const [leases] = (await store.run([['mget', ...incarnations.map((each) => keys.lease(each))]])) as [readonly unknown[]];
    return new Set(incarnations.filter((_each, i) => isAlive(decodeLease(leases[i]))));
  }
}

interface Watches {
  readonly version: string;
  readonly size: number;
}

export interface Watching {
  /** The contents of {@link Keys.watched}. */
  readonly listed: unknown;
  /** This process's incarnation, and its watches. */
  readonly own: Incarnation;
  readonly held: ReadonlyMap<Topic, unknown>;
}
