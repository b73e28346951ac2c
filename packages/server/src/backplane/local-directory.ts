import type {
  ConnectionRecord,
  LocalState,
  Member,
  MembersPage,
  NodeInfo,
  ProcessId,
  ProcessSnapshot,
  TopicCount,
  TopicsPage,
} from './backplane.ts';
import type { Topic } from './topic.ts';

/** A node whose state this process can read. */
export interface LocalNode {
  readonly node: NodeInfo;
  readonly local: Pick<LocalState, 'topics' | 'members' | 'record'>;
  /** The node's flushes so far. */
  readonly version: number;
}

/** Answers the queries of a directory from the present state of nodes, without copies. */
export class LocalDirectory {
  readonly #nodes: readonly LocalNode[];

  constructor(nodes: readonly LocalNode[]) {
    this.#nodes = nodes;
  }

  nodes(): readonly NodeInfo[] {
    return this.#nodes.map(({ node }) => node);
  }

  counts(topics: readonly Topic[]): ReadonlyMap<Topic, ReadonlyMap<ProcessId, number>> {
    return new Map(topics.map((topic) => [topic, this.#countsOf(topic)]));
  }

  members(topic: Topic, { after, limit }: MembersPage): readonly Member[] {
    const found: Member[] = [];
    for (const { node, local } of this.#nodes.toSorted((a, b) => compare(a.node.process, b.node.process))) {
      const { process } = node;
      if (after && process < after.process) continue;
      const from = process === after?.process ? after.connectionId : undefined;
      const ids = smallest(local.members(topic).keys(), { limit: limit - found.length, after: from });
      for (const connectionId of ids) found.push({ process, connectionId });
    }
    return found;
  }

  membersOf(process: ProcessId, topic: Topic): readonly string[] {
    return [...(this.#localOf(process)?.members(topic).keys() ?? [])];
  }

  records(members: readonly Member[]): ReadonlyMap<string, ConnectionRecord> {
    const found = members.flatMap(({ process, connectionId }) => this.#localOf(process)?.record(connectionId) ?? []);
    return new Map(found.map((record) => [record.connectionId, record]));
  }

  topics(prefix: string, { after, limit }: TopicsPage): readonly TopicCount[] {
    const topics = new Set(this.#nodes.flatMap(({ local }) => smallest(local.topics(), { limit, after, prefix })));
    const page = [...topics].sort(compare).slice(0, limit);
    return page.map((topic) => ({ topic, count: [...this.#countsOf(topic).values()].reduce((sum, count) => sum + count, 0) }));
  }

  snapshot(topics: readonly Topic[]): readonly ProcessSnapshot[] {
    return this.#nodes.map(({ node, local, version }) => {
      const ids = new Set(topics.flatMap((topic) => [...local.members(topic).keys()]));
      return { node, version, records: [...ids].flatMap((id) => local.record(id) ?? []) };
    });
  }

  #countsOf(topic: Topic): ReadonlyMap<ProcessId, number> {
    const counts = this.#nodes.map(({ node, local }) => [node.process, local.members(topic).size] as const);
    return new Map(counts.filter(([, count]) => count > 0));
  }

  #localOf(process: ProcessId): LocalNode['local'] | undefined {
    return this.#nodes.find(({ node }) => node.process === process)?.local;
  }
}

interface Range {
  readonly limit: number;
  readonly after?: string | undefined;
  readonly prefix?: string;
}

/** Returns the first names after `after` that begin with `prefix`, in order, without sorting all names for each page. */
function smallest(names: Iterable<string>, { limit, after, prefix = '' }: Range): readonly string[] {
  const found: string[] = [];
  for (const name of names) {
    if (!name.startsWith(prefix) || (after !== undefined && name <= after)) continue;
    if (found.length >= limit && name >= found.at(-1)!) continue;
    found.splice(positionOf(name, found), 0, name);
    if (found.length > limit) found.pop();
  }
  return limit > 0 ? found : [];
}

function positionOf(name: string, sorted: readonly string[]): number {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if (sorted[middle]! < name) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Names are ASCII, so the order of code units is the order of bytes in stores. */
const compare = (a: string, b: string): number => (a < b ? -1 : Number(a > b));
