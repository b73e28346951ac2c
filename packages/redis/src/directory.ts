import type {
  Answer,
  Change,
  ConnectionRecord,
  Directory,
  Flush,
  Local,
  Member,
  MembersPage,
  NodeInfo,
  ProcessId,
  ProcessSnapshot,
  Topic,
  TopicCount,
  TopicsPage,
  WatchLease,
} from '@hubline/server/backplane';
import { decodeRecord, slices } from './entries.ts';
import { processIn, type Incarnation, type Keys } from './keys.ts';
import type { Command } from './line.ts';
import type { Census, Peers, Reading } from './peers.ts';
import type { Registrar } from './registrar.ts';
import type { Store } from './store.ts';
import { unavailable } from './unavailable.ts';

export interface RedisDirectoryOptions {
  readonly self: NodeInfo;
  readonly local: Local;
  readonly store: Store;
  readonly keys: Keys;
  readonly peers: Peers;
  readonly registrar: Registrar;
  readonly isUp: () => boolean;
  /** Whether a key can be used. */
  readonly reaches: (key: string) => boolean;
  readonly settled: () => Promise<unknown>;
  readonly report: (error: unknown) => void;
}

/** Who is where, read from what each incarnation has written, as far as its lease lives. */
export class RedisDirectory implements Directory {
  readonly #options: RedisDirectoryOptions;

  constructor(options: RedisDirectoryOptions) {
    this.#options = options;
  }

  changed(change: Change): Promise<Flush> {
    return this.#options.registrar.changed(change);
  }

  watch(topic: Topic): Promise<WatchLease> {
    return this.#options.registrar.watch(topic);
  }

  nodes(): Promise<Answer<readonly NodeInfo[]>> {
    return this.#ask({
      read: async () => [...(await this.#census([])).value.values()],
      here: ({ self }) => [self],
    });
  }

  counts(topics: readonly Topic[]): Promise<Answer<ReadonlyMap<Topic, ReadonlyMap<ProcessId, number>>>> {
    return this.#ask({
      read: async ({ keys }) => {
        const { value, answers } = await this.#census(topics.map((topic): Command => ['hgetall', keys.counts(topic)]));
        return new Map(topics.map((topic, i) => [topic, countsOf(answers[i], value)]));
      },
      here: ({ self, local }) =>
        new Map(
          topics.map((topic) => [
            topic,
            new Map([[self.process, local.members(topic).size]].filter(([, size]) => Number(size) > 0) as [ProcessId, number][]),
          ]),
        ),
    });
  }

  members(topic: Topic, page: MembersPage): Promise<Answer<readonly Member[]>> {
    return this.#ask({
      read: () => this.#members(topic, page),
      here: ({ self: { process }, local }) => {
        const { after, limit } = page;
        if (after && after.process > process) return [];
        const ids = [...local.members(topic).keys()].sort().filter((id) => process !== after?.process || id > after.connectionId);
        return ids.slice(0, limit).map((connectionId) => ({ process, connectionId }));
      },
    });
  }

  membersOf(process: ProcessId, topic: Topic): Promise<Answer<readonly string[]>> {
    return this.#ask({
      read: async ({ peers, registrar, self, keys }) => {
        const incarnation = process === self.process ? registrar.incarnation : peers.incarnation(process);
        if (!incarnation) return [];
        const [ids] = await this.#run([['zrange', keys.members(topic, incarnation), 0, -1]]);
        return ids as readonly string[];
      },
      here: ({ self, local }) => (process === self.process ? [...local.members(topic).keys()] : []),
    });
  }

  records(connectionIds: readonly string[]): Promise<Answer<ReadonlyMap<string, ConnectionRecord>>> {
    const ids = [...new Set(connectionIds)];
    return this.#ask({
      read: async ({ keys }) => {
        if (ids.length === 0) return new Map<string, ConnectionRecord>();
        const parts = [...slices(ids)];
        const { value, of } = await this.#census([], (incarnation) => parts.map((slice) => ['hmget', keys.records(incarnation), ...slice]));
        const found = new Map<string, ConnectionRecord>();
        for (const incarnation of value.keys()) {
          const texts = (of(incarnation) as readonly (readonly (string | null)[])[]).flat();
          ids.forEach((id, i) => {
            const text = texts[i];
            if (text) found.set(id, decodeRecord(id, text));
          });
        }
        return found;
      },
      here: ({ local }) => new Map(ids.flatMap((id) => local.record(id) ?? []).map((record) => [record.connectionId, record])),
    });
  }

  topics(prefix: string, page: TopicsPage): Promise<Answer<readonly TopicCount[]>> {
    return this.#ask({
      read: () => this.#topics(prefix, page),
      here: ({ local }) => {
        const { after = '', limit } = page;
        const found = [...local.topics()].filter((topic) => topic.startsWith(prefix) && topic > after).sort();
        return found.slice(0, limit).map((topic) => ({ topic, count: local.members(topic).size }));
      },
    });
  }

  snapshot(topics: readonly Topic[]): Promise<Answer<readonly ProcessSnapshot[]>> {
    return this.#ask({
      read: () => this.#snapshot(topics),
      here: ({ self, local, registrar }) => {
        const ids = new Set(topics.flatMap((topic) => [...local.members(topic).keys()]));
        const records = [...ids].flatMap((id) => local.record(id) ?? []);
        return [{ node: self, version: registrar.version, records }];
      },
    });
  }

  /** The counts say whom to ask, so that a page costs what it holds. */
  async #members(topic: Topic, { after, limit }: MembersPage): Promise<readonly Member[]> {
    const { keys } = this.#options;
    const { value, answers } = await this.#census([['hgetall', keys.counts(topic)]]);
    const counts = countsOf(answers[0], value);
    const waiting = [...value.keys()].filter((each) => counts.has(processIn(each)) && !(after && processIn(each) < after.process));
    const found: Member[] = [];
    while (found.length < limit && waiting.length > 0) {
      const asked: Incarnation[] = [];
      for (let expected = found.length; expected < limit && waiting.length > 0;) {
        const incarnation = waiting.shift()!;
        asked.push(incarnation);
        expected += processIn(incarnation) === after?.process ? 0 : (counts.get(processIn(incarnation)) ?? 0);
      }
      const from = (incarnation: Incarnation) => (processIn(incarnation) === after?.process ? `(${after.connectionId}` : '-');
      const ranges = await this.#run(
        asked.map((each): Command => ['zrangebylex', keys.members(topic, each), from(each), '+', 'LIMIT', 0, limit - found.length]),
      );
      asked.forEach((incarnation, i) => {
        for (const connectionId of ranges[i] as readonly string[]) {
          if (found.length < limit) found.push({ process: processIn(incarnation), connectionId });
        }
      });
    }
    return found;
  }

  async #topics(prefix: string, { after, limit }: TopicsPage): Promise<readonly TopicCount[]> {
    const { keys } = this.#options;
    const from = after === undefined || after < prefix ? `[${prefix}` : `(${after}`;
    // Topics are ASCII: this byte is above all of them.
    const { value, of } = await this.#census([], (incarnation) => [
      ['zrangebylex', keys.topics(incarnation), from, `[${prefix}\u007f`, 'LIMIT', 0, limit],
    ]);
    const all = [...value.keys()].flatMap((incarnation) => of(incarnation)[0] as readonly Topic[]);
    const page = [...new Set(all)].sort().slice(0, limit);
    const counts = await this.#run(page.map((topic): Command => ['hgetall', keys.counts(topic)]));
    return page.map((topic, i) => ({ topic, count: [...countsOf(counts[i], value).values()].reduce((sum, count) => sum + count, 0) }));
  }

  /** Versions first: what is read later holds at least what they say. */
  async #snapshot(topics: readonly Topic[]): Promise<readonly ProcessSnapshot[]> {
    const { keys } = this.#options;
    const { value, of } = await this.#census([], (incarnation) => [['get', keys.flushed(incarnation)]]);
    const incarnations = [...value.keys()];
    const counts = await this.#run(topics.map((topic): Command => ['hgetall', keys.counts(topic)]));
    const held = topics.flatMap((topic, i) =>
      Object.keys(counts[i] as object).flatMap((each) =>
        value.has(each as Incarnation) ? { topic, incarnation: each as Incarnation } : [],
      ),
    );
    const members = await this.#run(held.map(({ topic, incarnation }): Command => ['zrange', keys.members(topic, incarnation), 0, -1]));
    const ids = new Map<Incarnation, Set<string>>(incarnations.map((each) => [each, new Set()]));
    held.forEach(({ incarnation }, i) => {
      for (const id of members[i] as readonly string[]) ids.get(incarnation)?.add(id);
    });
    const parts = [...ids].map(([incarnation, each]) => ({ incarnation, ids: [...each] }));
    const asks = parts.flatMap(({ incarnation, ids }) =>
      [...slices(ids)].map((slice) => ({ incarnation, slice, command: ['hmget', keys.records(incarnation), ...slice] as Command })),
    );
    const answers = (await this.#run(asks.map(({ command }) => command))) as readonly (readonly (string | null)[])[];
    const records = new Map<Incarnation, ConnectionRecord[]>(incarnations.map((incarnation) => [incarnation, []]));
    asks.forEach(({ incarnation, slice }, i) => {
      slice.forEach((id, j) => {
        const text = answers[i]?.[j];
        if (text) records.get(incarnation)?.push(decodeRecord(id, text));
      });
    });
    return [...value].map(([incarnation, node]) => ({
      node,
      version: Number(of(incarnation)[0] ?? 0),
      records: records.get(incarnation) ?? [],
    }));
  }

  /** From Redis or, where not all of it that is needed can be reached, from here. */
  async #ask<T>({ read, here }: Question<T>): Promise<Answer<T>> {
    const { peers, isUp, settled, report } = this.#options;
    await settled();
    try {
      const before = peers.absent; // who is back by the end need not have been when it was read
      const value = await read(this.#options);
      return { value, missing: [...new Set([...before, ...peers.absent])], isBlind: false };
    } catch (error) {
      if (isUp()) report(error);
    }
    return { value: here(this.#options), missing: peers.nodeIds, isBlind: true };
  }

  async #run(commands: readonly Command[]): Promise<readonly unknown[]> {
    this.#mustReach(commands.map(([, key]) => String(key)));
    return this.#options.store.run(commands);
  }

  /** Whose lease cannot be read is not in it, and is among the absent ones. */
  async #census(...[commands, perIncarnation]: Parameters<Peers['census']>): Promise<Reading> {
    const { peers, keys, registrar } = this.#options;
    this.#mustReach([keys.registry, keys.lease(registrar.incarnation), ...commands.map(([, key]) => String(key))]);
    return peers.census(commands, perIncarnation);
  }

  #mustReach(keys: readonly string[]): void {
    if (!keys.every(this.#options.reaches)) throw unavailable('A part of Redis that is asked is lost.');
  }
}

interface Question<T> {
  readonly read: (options: RedisDirectoryOptions) => Promise<T>;
  readonly here: (options: RedisDirectoryOptions) => T;
}

/** Members by process, of those who live. ioredis gives a hash as an object. */
function countsOf(answer: unknown, living: Census): ReadonlyMap<ProcessId, number> {
  const counts = new Map<ProcessId, number>();
  for (const [incarnation, count] of Object.entries(answer as Readonly<Record<string, string>>)) {
    if (living.has(incarnation as Incarnation)) counts.set(processIn(incarnation), Number(count));
  }
  return counts;
}
