import type { DirectoryResult, Directory, Member, ProcessId, Topic } from '../backplane/index.ts';
import { processOf } from '../connection/index.ts';
import { leavesOf, select, type MemberIndex, type Selector } from '../membership/index.ts';
import { MissingNodesCollector } from './missing-nodes.ts';

const PAGE = 1000;

/** Evaluates a hub's selectors over the whole cluster, by queries to the directory. */
export class PresenceReader {
  readonly #directory: Directory;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  async count(hub: string, selector: Selector): Promise<DirectoryResult<number>> {
    const topic = plainTopic(selector);
    if (topic === undefined) {
      const named = await this.#named(hub, selector);
      return { ...named, value: named.value.length };
    }
    const counts = await this.#directory.counts([topic]);
    let sum = 0;
    for (const count of counts.value.get(topic)?.values() ?? []) sum += count;
    return { ...counts, value: sum };
  }

  /** Ids in order, after `after`, at most `limit`. */
  async ids(
    hub: string,
    selector: Selector,
    { after, limit }: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<DirectoryResult<readonly string[]>> {
    const topic = plainTopic(selector);
    if (topic === undefined) {
      const named = await this.#named(hub, selector);
      return { ...named, value: named.value.filter((id) => after === undefined || id > after).slice(0, limit) };
    }
    const page = { limit, ...(after === undefined ? {} : { after: memberOf(after) }) };
    const members = await this.#directory.members(topic, page);
    return { ...members, value: members.value.map(({ connectionId }) => connectionId) };
  }

  /** The processes that may have connections of the selector. A connection's process is known by its id. */
  async locate(selector: Selector, isLive: (process: ProcessId) => boolean): Promise<DirectoryResult<Locations>> {
    const { topics, connections } = leavesOf(selector);
    // The process of an id may have joined a moment ago: the directory announces processes that are not known yet.
    const isUnknown = connections.some((id) => !isLive(processOf(id)));
    const missing = new MissingNodesCollector();
    if (isUnknown) missing.add(await this.#directory.nodes());
    const counts = topics.length > 0 ? missing.valueOf(await this.#directory.counts(topics)) : undefined;
    const having = (topic: Topic): ReadonlySet<ProcessId> => new Set(counts?.get(topic)?.keys());
    const processes = processesOf(selector, { having, isLive });
    return missing.result({ processes, isEmpty: (topic) => having(topic).size === 0 });
  }

  /** The connections of the selector on one process, also where that process is lost. */
  async idsOn(process: ProcessId, selector: Selector): Promise<DirectoryResult<readonly string[]>> {
    const missing = new MissingNodesCollector();
    const members = new Map<Topic, ReadonlyMap<string, true>>();
    for (const topic of leavesOf(selector).topics) {
      const ids = missing.valueOf(await this.#directory.membersOf(process, topic));
      members.set(topic, new Map(ids.map((id) => [id, true])));
    }
    const population: MemberIndex<true> = {
      members: (topic) => members.get(topic) ?? new Map<string, true>(),
      connection: (id) => (processOf(id) === process ? true : undefined),
    };
    return missing.result([...select(selector, population).keys()]);
  }

  async #named(hub: string, selector: Selector): Promise<DirectoryResult<readonly string[]>> {
    const missing = new MissingNodesCollector();
    const members = new Map<Topic, ReadonlyMap<string, true>>();
    const { topics, connections } = leavesOf(selector);
    for (const topic of topics) members.set(topic, await this.#membersOf(topic, missing));
    const records = connections.length > 0 ? missing.valueOf(await this.#directory.records(connections.map(memberOf))) : undefined;
    const population: MemberIndex<true> = {
      members: (topic) => members.get(topic) ?? new Map<string, true>(),
      connection: (id) => (records?.get(id)?.hub === hub ? true : undefined), // an id of another hub does not match
    };
    return missing.result([...select(selector, population).keys()].sort());
  }

  async #membersOf(topic: Topic, missing: MissingNodesCollector): Promise<ReadonlyMap<string, true>> {
    const members = new Map<string, true>();
    for (let after: Member | undefined, more = true; more;) {
      const page = missing.valueOf(await this.#directory.members(topic, { limit: PAGE, ...(after ? { after } : {}) }));
      for (const { connectionId } of page) members.set(connectionId, true);
      after = page.at(-1);
      more = page.length === PAGE;
    }
    return members;
  }
}

export const memberOf = (connectionId: string): Member => ({ process: processOf(connectionId), connectionId });

const plainTopic = (selector: Selector): Topic | undefined => ('topic' in selector && !selector.except ? selector.topic : undefined);

export interface Locations {
  readonly processes: ReadonlySet<ProcessId>;
  /** Whether none of the processes that were asked has a member of the topic. */
  readonly isEmpty: (topic: Topic) => boolean;
}

interface Holders {
  having(topic: Topic): ReadonlySet<ProcessId>;
  isLive(process: ProcessId): boolean;
}

function processesOf(selector: Selector, where: Holders): ReadonlySet<ProcessId> {
  if ('topic' in selector) return where.having(selector.topic);
  if ('connection' in selector) return new Set([processOf(selector.connection)].filter(where.isLive));
  const parts = ('allOf' in selector ? selector.allOf : selector.anyOf).map((part) => processesOf(part, where));
  if ('anyOf' in selector) return new Set(parts.flatMap((part) => [...part]));
  return new Set([...parts[0]!].filter((process) => parts.every((part) => part.has(process))));
}
