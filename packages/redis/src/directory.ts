import {
  LocalDirectory,
  nameIn,
  type DirectoryResult,
  type Change,
  type ConnectionRecord,
  type Directory,
  type Flush,
  type Member,
  type MembersPage,
  type NodeInfo,
  type ProcessId,
  type ProcessSnapshot,
  type Topic,
  type TopicCount,
  type TopicsPage,
  type WatchLease,
} from '@hubline/server/backplane';
import type { DirectoryWriter } from './directory-writer.ts';
import { slices } from './entries.ts';
import { processIn, type Incarnation } from './keys.ts';
import { LeaseEndedError, type Leases, type LiveNodes, type LiveNodesReading } from './leases.ts';
import type { LinkContext } from './link-context.ts';
import { MissingEntries, type TopicOfIncarnation } from './missing-entries.ts';
import type { Command } from './redis-connection.ts';
import type { Peers } from './peers.ts';
import type { Registration } from './registration.ts';
import { unavailable } from './unavailable.ts';
import { decodeCounts, decodeGroups, decodeNumber, decodeRecord, decodeTexts, type DecodedRecord } from './values.ts';

export interface RedisDirectoryOptions extends Omit<LinkContext, 'settings' | 'events'> {
  readonly registration: Pick<Registration, 'session'>;
  readonly peers: Peers;
  readonly writer: DirectoryWriter;
}

/** The most commands of one round trip. */
const COMMANDS_PER_PIPELINE = 1000;

/** Answers queries from the entries of all live incarnations. */
export class RedisDirectory implements Directory {
  readonly #options: RedisDirectoryOptions;
  readonly #missingEntries: MissingEntries;

  constructor(options: RedisDirectoryOptions) {
    this.#options = options;
    this.#missingEntries = new MissingEntries({ keys: options.keys, store: options.store, read: (commands) => this.#run(commands) });
  }

  changed(change: Change): Promise<Flush> {
    return this.#options.writer.changed(change);
  }

  watch(topic: Topic): Promise<WatchLease> {
    return this.#options.writer.watch(topic);
  }

  nodes(): Promise<DirectoryResult<readonly NodeInfo[]>> {
    return this.#ask(
      async (missing) => [...(await this.#liveNodes(missing, [])).liveNodes.values()],
      (here) => here.nodes(),
    );
  }

  counts(topics: readonly Topic[]): Promise<DirectoryResult<ReadonlyMap<Topic, ReadonlyMap<ProcessId, number>>>> {
    return this.#ask(
      (missing) => this.#counts(missing, topics),
      (here) => here.counts(topics),
    );
  }

  members(topic: Topic, page: MembersPage): Promise<DirectoryResult<readonly Member[]>> {
    return this.#ask(
      (missing) => this.#members(missing, topic, page),
      (here) => here.members(topic, page),
    );
  }

  membersOf(process: ProcessId, topic: Topic): Promise<DirectoryResult<readonly string[]>> {
    return this.#ask(
      (missing) => this.#membersOf(missing, process, topic),
      (here) => here.membersOf(process, topic),
    );
  }

  records(members: readonly Member[]): Promise<DirectoryResult<ReadonlyMap<string, ConnectionRecord>>> {
    return this.#ask(
      (missing) => this.#recordsOf(missing, members),
      (here) => here.records(members),
    );
  }

  topics(prefix: string, page: TopicsPage): Promise<DirectoryResult<readonly TopicCount[]>> {
    return this.#ask(
      (missing) => this.#topics(missing, prefix, page),
      (here) => here.topics(prefix, page),
    );
  }

  snapshot(topics: readonly Topic[]): Promise<DirectoryResult<readonly ProcessSnapshot[]>> {
    return this.#ask(
      (missing) => this.#snapshot(missing, topics),
      (here) => here.snapshot(topics),
    );
  }

  async #counts(missing: Missing, topics: readonly Topic[]): Promise<ReadonlyMap<Topic, ReadonlyMap<ProcessId, number>>> {
    const commands = topics.map((topic): Command => ['hgetall', this.#options.keys.counts(topic)]);
    const { liveNodes, answers } = await this.#liveNodes(missing, commands);
    const counts = new Map(topics.map((topic, i) => [topic, this.#countsOf(topic, answers[i], { liveNodes, missing })]));
    await this.#checkCounts(counts, { liveNodes, missing });
    return counts;
  }

  async #membersOf(missing: Missing, process: ProcessId, topic: Topic): Promise<readonly string[]> {
    const { peers, registration, self, keys } = this.#options;
    const incarnation = process === self.process ? registration.session.incarnation : peers.incarnation(process);
    if (!incarnation) return [];
    const key = keys.members(topic, incarnation);
    const [ids] = await this.#run([['zrange', key, 0, -1]]);
    return this.#textsIn(ids, { key, incarnation, missing });
  }

  async #recordsOf(missing: Missing, members: readonly Member[]): Promise<ReadonlyMap<string, ConnectionRecord>> {
    if (members.length === 0) return new Map();
    const { liveNodes } = await this.#liveNodes(missing, []);
    const parts = [...liveNodes.keys()].map((incarnation) => {
      const process = processIn(incarnation);
      return { incarnation, ids: new Set(members.flatMap((member) => (member.process === process ? member.connectionId : []))) };
    });
    const records = (await this.#records(missing, parts)).flat();
    return new Map(records.map((record) => [record.connectionId, record]));
  }

  /** Reads a page of members from incarnations that are counted in the topic, so that the cost grows with the size of the page. */
  async #members(missing: Missing, topic: Topic, { after, limit }: MembersPage): Promise<readonly Member[]> {
    const { keys } = this.#options;
    const { liveNodes, answers } = await this.#liveNodes(missing, [['hgetall', keys.counts(topic)]]);
    const counts = this.#countsOf(topic, answers[0], { liveNodes, missing });
    await this.#checkCounts(new Map([[topic, counts]]), { liveNodes, missing });
    const empty: TopicOfIncarnation[] = [];
    const waiting = [...liveNodes.keys()].filter((each) => counts.has(processIn(each)) && !(after && processIn(each) < after.process));
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
        const ids = this.#textsIn(ranges[i], { key: keys.members(topic, incarnation), incarnation, missing });
        if (ids.length === 0 && from(incarnation) === '-') empty.push({ topic, incarnation });
        for (const connectionId of ids) {
          if (found.length < limit) found.push({ process: processIn(incarnation), connectionId });
        }
      });
    }
    await this.#checkMembers(empty, missing);
    return found;
  }

  async #topics(missing: Missing, prefix: string, { after, limit }: TopicsPage): Promise<readonly TopicCount[]> {
    const { keys } = this.#options;
    const from = after === undefined || after < prefix ? `[${prefix}` : `(${after}`;
    // Topics are ASCII: this byte sorts after all of them.
    const { liveNodes, of } = await this.#liveNodes(missing, [], (incarnation) => [
      ['zrangebylex', keys.topics(incarnation), from, `[${prefix}\u007f`, 'LIMIT', 0, limit],
    ]);
    const all = [...liveNodes.keys()].flatMap((incarnation) => {
      const key = keys.topics(incarnation);
      const topics = this.#textsIn(of(incarnation)[0], { key, incarnation, missing });
      // DecodeErrorReporter topics stay in the page: its length shows whether more topics follow.
      for (const field of topics) if (!isEncoded(field)) this.#skip({ key, field, incarnation, missing });
      return topics;
    });
    const page = [...new Set(all)].sort().slice(0, limit);
    const counts = await this.#run(page.map((topic): Command => ['hgetall', keys.counts(topic)]));
    const sizes = new Map(page.map((topic, i) => [topic, this.#countsOf(topic, counts[i], { liveNodes, missing })]));
    await this.#checkCounts(sizes, { liveNodes, missing });
    return [...sizes].map(([topic, each]) => ({ topic, count: [...each.values()].reduce((sum, count) => sum + count, 0) }));
  }

  /** Reads a snapshot. Versions are read first, so that the members are at least as new as their version. */
  async #snapshot(missing: Missing, topics: readonly Topic[]): Promise<readonly ProcessSnapshot[]> {
    const { keys } = this.#options;
    const { liveNodes, of } = await this.#liveNodes(missing, [], (incarnation) => [['get', keys.flushed(incarnation)]]);
    const incarnations = [...liveNodes.keys()];
    const counts = await this.#run(topics.map((topic): Command => ['hgetall', keys.counts(topic)]));
    const sizes = new Map(topics.map((topic, i) => [topic, this.#countsOf(topic, counts[i], { liveNodes, missing })]));
    await this.#checkCounts(sizes, { liveNodes, missing });
    const held = [...sizes].flatMap(([topic, processes]) =>
      incarnations.filter((each) => processes.has(processIn(each))).map((incarnation) => ({ topic, incarnation })),
    );
    const members = await this.#run(held.map(({ topic, incarnation }): Command => ['zrange', keys.members(topic, incarnation), 0, -1]));
    const ids = new Map<Incarnation, Set<string>>(incarnations.map((each) => [each, new Set()]));
    const empty = held.filter(({ topic, incarnation }, i) => {
      const found = this.#textsIn(members[i], { key: keys.members(topic, incarnation), incarnation, missing });
      for (const id of found) ids.get(incarnation)?.add(id);
      return found.length === 0;
    });
    await this.#checkMembers(empty, missing);
    const records = await this.#records(
      missing,
      [...ids].map(([incarnation, each]) => ({ incarnation, ids: each })),
    );
    return [...liveNodes].map(([incarnation, node], i) => ({
      node,
      version: decodeNumber(of(incarnation)[0]) ?? 0,
      records: records[i] ?? [],
    }));
  }

  /** Reads the existing records of connections, by incarnation. Groups that are a separate set take another round trip. */
  async #records(missing: Missing, parts: readonly Connections[]): Promise<readonly (readonly ConnectionRecord[])[]> {
    const recordSlices = parts.flatMap(({ incarnation, ids }, at) => [...slices(ids)].map((slice) => ({ at, incarnation, ids: slice })));
    const texts = await this.#run(recordSlices.map(({ incarnation, ids }) => this.#recordsAt(incarnation, ids)));
    const found: ConnectionRecord[][] = parts.map(() => []);
    const many: RecordSlice[] = [];
    recordSlices.forEach(({ at, incarnation, ids }, i) => {
      for (const [id, each] of this.#decoded({ incarnation, ids, missing }, texts[i])) {
        if (each.isWhole) found[at]?.push(each.record);
        else many.push({ at, incarnation, ids: [id] });
      }
    });
    // Reads the records again after the groups: a set is deleted when its groups become a part of the record.
    const answers = await this.#run([
      ...many.map(({ incarnation, ids: [id = ''] }): Command => ['smembers', this.#options.keys.groups(incarnation, id)]),
      ...many.map(({ incarnation, ids }) => this.#recordsAt(incarnation, ids)),
    ]);
    many.forEach(({ at, incarnation, ids }, i) => {
      for (const [id, each] of this.#decoded({ incarnation, ids, missing }, answers[many.length + i])) {
        const groups = each.isWhole ? each.record.groups : decodeGroups(answers[i]);
        if (!groups?.length && !each.isWhole) this.#skip({ key: this.#options.keys.groups(incarnation, id), incarnation, missing });
        else found[at]?.push({ ...each.record, groups: groups ?? [] });
      }
    });
    return found;
  }

  #recordsAt(incarnation: Incarnation, ids: readonly string[]): Command {
    return ['hmget', this.#options.keys.records(incarnation), ...ids];
  }

  /** Yields the records of the connections that exist. */
  *#decoded(
    { incarnation, ids, missing }: Connections & Incomplete,
    texts: unknown,
  ): Generator<readonly [id: string, record: DecodedRecord]> {
    const key = this.#options.keys.records(incarnation);
    if (!Array.isArray(texts)) return this.#skip({ key, incarnation, missing });
    for (const [i, id] of [...ids].entries()) {
      const text: unknown = texts[i];
      if (text === null) continue;
      const record = decodeRecord(id, text);
      if (record) yield [id, record];
      else this.#skip({ key, field: id, incarnation, missing });
    }
  }

  /** Returns the number of members of each live process. */
  #countsOf(topic: Topic, answer: unknown, { liveNodes, missing }: Answering): ReadonlyMap<ProcessId, number> {
    const key = this.#options.keys.counts(topic);
    const hash = decodeCounts(answer);
    const counts = new Map<ProcessId, number>();
    for (const incarnation of liveNodes.keys()) {
      if (!hash) this.#skip({ key, incarnation, missing });
      if (!hash?.has(incarnation)) continue;
      const count = hash.get(incarnation);
      if (count === undefined) this.#skip({ key, field: incarnation, incarnation, missing });
      else counts.set(processIn(incarnation), count);
    }
    return counts;
  }

  /** Names nodes as missing whose counts in topics are missing in Redis. */
  async #checkCounts(counts: ReadonlyMap<Topic, ReadonlyMap<ProcessId, number>>, { liveNodes, missing }: Answering): Promise<void> {
    const uncounted = [...counts.keys()].filter((topic) => counts.get(topic)?.size === 0);
    for (const incarnation of await this.#missingEntries.counts(uncounted, [...liveNodes.keys()])) missing.add(this.#nameOf(incarnation));
  }

  /** Names nodes as missing whose members of topics are missing in Redis. */
  async #checkMembers(holdings: readonly TopicOfIncarnation[], missing: Missing): Promise<void> {
    for (const incarnation of await this.#missingEntries.members(holdings)) missing.add(this.#nameOf(incarnation));
  }

  #textsIn(answer: unknown, value: ValueLocation): readonly string[] {
    const texts = decodeTexts(answer);
    if (!texts) this.#skip(value);
    return texts ?? [];
  }

  /** Reports a value that cannot be decoded, and names its node as missing. */
  #skip({ key, field, incarnation, missing }: ValueLocation): void {
    this.#options.unreadable.value(key, field);
    missing.add(this.#nameOf(incarnation));
  }

  #nameOf(incarnation: Incarnation): string {
    return this.#options.peers.leases.nameOf(incarnation) ?? this.#options.self.nodeId;
  }

  /** Answers from Redis or, if the keys cannot be reached, from this node's own state. */
  async #ask<T>(read: (missing: Missing) => Promise<T>, readLocal: (here: LocalDirectory) => T): Promise<DirectoryResult<T>> {
    const { peers, registration, self, local, writer, status, observer } = this.#options;
    await status.settled;
    try {
      // Read before the query: a node may be confirmed during it.
      const missing = new Set(registration.session.isPartial ? [self.nodeId, ...peers.unconfirmed] : peers.unconfirmed);
      const value = await read(missing);
      return { value, missing: [...new Set([...missing, ...peers.unconfirmed])], hasUnknownNodes: false };
    } catch (error) {
      if (status.isUp && !(error instanceof LeaseEndedError)) observer.report('flush', error);
    }
    const here = new LocalDirectory([{ node: self, local, version: writer.version }]);
    return { value: readLocal(here), missing: peers.nodeIds, hasUnknownNodes: true };
  }

  async #run(commands: readonly Command[]): Promise<readonly unknown[]> {
    this.#mustReach(commands.map(([, key]) => String(key)));
    const answers: unknown[] = [];
    for (const slice of slices(commands, COMMANDS_PER_PIPELINE)) answers.push(...(await this.#options.peers.leases.read(slice)));
    return answers;
  }

  /** Reads the live nodes. A node whose lease cannot be decoded is not among them, and is named as missing. */
  async #liveNodes(missing: Missing, ...[commands, perIncarnation]: Parameters<Leases['readLiveNodes']>): Promise<LiveNodesReading> {
    const { peers, keys } = this.#options;
    this.#mustReach([keys.registry, ...commands.map(([, key]) => String(key))]);
    const reading = await peers.leases.readLiveNodes(commands, perIncarnation);
    for (const nodeId of reading.missing) missing.add(nodeId);
    // A node without access to the index of its entries does not write them, so they may be out of date.
    for (const [incarnation, { nodeId }] of reading.liveNodes)
      if (!this.#options.availability.has(keys.topics(incarnation))) missing.add(nodeId);
    return reading;
  }

  #mustReach(keys: readonly string[]): void {
    if (!keys.every((key) => this.#options.availability.has(key)))
      throw unavailable('A part of Redis that the query needs is unavailable.');
  }
}

/** The ids of nodes whose part of an answer could not be read. */
type Missing = Set<string>;

interface Answering {
  readonly liveNodes: LiveNodes;
  readonly missing: Missing;
}

/** Connections of one incarnation. */
interface Connections {
  readonly incarnation: Incarnation;
  readonly ids: Iterable<string>;
}

interface RecordSlice {
  readonly at: number;
  readonly incarnation: Incarnation;
  readonly ids: readonly string[];
}

interface Incomplete {
  readonly missing: Missing;
}

/** The key and field of a value, its incarnation, and the missing nodes of the answer. */
interface ValueLocation {
  readonly key: string;
  readonly field?: string;
  readonly incarnation: Incarnation;
  readonly missing: Missing;
}

/** Whether a topic is encoded as nodes encode it. */
const isEncoded = (topic: Topic): boolean => topic.split(/[:=]/).every((part) => nameIn(part, '') !== undefined);
