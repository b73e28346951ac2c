import type { DirectoryResult, Directory, Member, ProcessId, Topic } from '../backplane/index.ts';
import { processOf } from '../connection/index.ts';
import { termsOf, select, type MemberIndex, type Selector } from '../membership/index.ts';
import type { ClusterNodes } from './cluster-nodes.ts';
import { MissingNodesCollector } from './missing-nodes.ts';

const PAGE = 1000;

/** Evaluates selectors over the whole cluster, by queries to the directory. */
export class PresenceReader {
  readonly #directory: Directory;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  async count(hub: string, selector: Selector): Promise<DirectoryResult<number>> {
    const topic = plainTopic(selector);
    if (topic === undefined) {
      const ids = await this.#select(hub, selector);
      return { ...ids, value: ids.value.length };
    }
    const counts = await this.#directory.counts([topic]);
    let sum = 0;
    for (const count of counts.value.get(topic)?.values() ?? []) sum += count;
    return { ...counts, value: sum };
  }

  /** Returns at most `limit` connection ids after `after`, in order. */
  async ids(
    hub: string,
    selector: Selector,
    { after, limit }: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<DirectoryResult<readonly string[]>> {
    const topic = plainTopic(selector);
    if (topic === undefined) {
      const ids = await this.#select(hub, selector);
      return { ...ids, value: ids.value.filter((id) => after === undefined || id > after).slice(0, limit) };
    }
    const page = { limit, ...(after === undefined ? {} : { after: memberOf(after) }) };
    const members = await this.#directory.members(topic, page);
    return { ...members, value: members.value.map(({ connectionId }) => connectionId) };
  }

  /** Finds the processes that may have connections of the selector. A connection id contains its process. */
  async locate(selector: Selector, nodes: Pick<ClusterNodes, 'get'>): Promise<DirectoryResult<Locations>> {
    const { topics, connections } = termsOf(selector);
    // An unknown process may have joined just now: reading the nodes announces it.
    const isLive = (process: ProcessId): boolean => nodes.get(process) !== undefined;
    const isUnknown = connections.some((id) => !isLive(processOf(id)));
    const missing = new MissingNodesCollector();
    if (isUnknown) missing.add(await this.#directory.nodes());
    const counts = topics.length > 0 ? missing.collect(await this.#directory.counts(topics)) : undefined;
    const having = (topic: Topic): ReadonlySet<ProcessId> => new Set(counts?.get(topic)?.keys());
    const processes = processesOf(selector, { having, isLive });
    return missing.result({ processes, isEmpty: (topic) => having(topic).size === 0 });
  }

  /** Returns the connections of the selector on one process, also if the process is lost. */
  async idsOn(process: ProcessId, selector: Selector): Promise<DirectoryResult<readonly string[]>> {
    const missing = new MissingNodesCollector();
    const members = new Map<Topic, ReadonlyMap<string, true>>();
    for (const topic of termsOf(selector).topics) {
      const ids = missing.collect(await this.#directory.membersOf(process, topic));
      members.set(topic, new Map(ids.map((id) => [id, true])));
    }
    const index = indexOf(members, (id) => processOf(id) === process);
    return missing.result([...select(selector, index).keys()]);
  }

  async #select(hub: string, selector: Selector): Promise<DirectoryResult<readonly string[]>> {
    const missing = new MissingNodesCollector();
    const members = new Map<Topic, ReadonlyMap<string, true>>();
    const { topics, connections } = termsOf(selector);
    for (const topic of topics) members.set(topic, await this.#membersOf(topic, missing));
    const records = connections.length > 0 ? missing.collect(await this.#directory.records(connections.map(memberOf))) : undefined;
    const index = indexOf(members, (id) => records?.get(id)?.hub === hub);
    return missing.result([...select(selector, index).keys()].sort());
  }

  async #membersOf(topic: Topic, missing: MissingNodesCollector): Promise<ReadonlyMap<string, true>> {
    const members = new Map<string, true>();
    for (let after: Member | undefined, more = true; more;) {
      const page = missing.collect(await this.#directory.members(topic, { limit: PAGE, ...(after ? { after } : {}) }));
      for (const { connectionId } of page) members.set(connectionId, true);
      after = page.at(-1);
      more = page.length === PAGE;
    }
    return members;
  }
}

type Members = ReadonlyMap<Topic, ReadonlyMap<string, true>>;

const indexOf = (members: Members, exists: (connectionId: string) => boolean): MemberIndex<true> => ({
  members: (topic) => members.get(topic) ?? new Map<string, true>(),
  connection: (id) => (exists(id) ? true : undefined),
});

export const memberOf = (connectionId: string): Member => ({ process: processOf(connectionId), connectionId });

const plainTopic = (selector: Selector): Topic | undefined => ('topic' in selector && !selector.except ? selector.topic : undefined);

export interface Locations {
  readonly processes: ReadonlySet<ProcessId>;
  /** Whether no process that could be asked has a member of the topic. */
  readonly isEmpty: (topic: Topic) => boolean;
}

interface Lookup {
  having(topic: Topic): ReadonlySet<ProcessId>;
  isLive(process: ProcessId): boolean;
}

function processesOf(selector: Selector, lookup: Lookup): ReadonlySet<ProcessId> {
  if ('topic' in selector) return lookup.having(selector.topic);
  if ('connection' in selector) return new Set([processOf(selector.connection)].filter(lookup.isLive));
  const parts = ('allOf' in selector ? selector.allOf : selector.anyOf).map((part) => processesOf(part, lookup));
  if ('anyOf' in selector) return new Set(parts.flatMap((part) => [...part]));
  return new Set([...parts[0]!].filter((process) => parts.every((part) => part.has(process))));
}
