import type { Answer, ConnectionRecord, Directory, Member, ProcessId, Topic } from '../backplane/index.ts';
import { processOf } from '../connection/index.ts';
import { connectionsIn, select, topicsIn, type Population, type Selector } from '../membership/index.ts';

const PAGE = 1000;

/** Evaluates a hub's selectors over the whole cluster, by what the directory says. */
export class Census {
  readonly #directory: Directory;

  constructor(directory: Directory) {
    this.#directory = directory;
  }

  async count(hub: string, selector: Selector): Promise<Answer<number>> {
    const topic = plainTopic(selector);
    if (topic === undefined) {
      const { value, missing } = await this.#everybody(hub, selector);
      return { value: value.length, missing };
    }
    const { value, missing } = await this.#directory.counts([topic]);
    let sum = 0;
    for (const count of value.get(topic)?.values() ?? []) sum += count;
    return { value: sum, missing };
  }

  /** Ids in order, after `after`, at most `limit`. */
  async ids(
    hub: string,
    selector: Selector,
    { after, limit }: { readonly after?: string | undefined; readonly limit: number },
  ): Promise<Answer<readonly string[]>> {
    const topic = plainTopic(selector);
    if (topic === undefined) {
      const { value, missing } = await this.#everybody(hub, selector);
      return { value: value.filter((id) => after === undefined || id > after).slice(0, limit), missing };
    }
    const page = { limit, ...(after === undefined ? {} : { after: memberOf(after) }) };
    const { value, missing } = await this.#directory.members(topic, page);
    return { value: value.map(({ connectionId }) => connectionId), missing };
  }

  /** The processes that may have somebody whom the selector names. A connection's is known by its id; it may be long gone. */
  async processes(selector: Selector, isLive: (process: ProcessId) => boolean): Promise<Answer<ReadonlySet<ProcessId>>> {
    const topics = topicsIn(selector);
    // Whose node has not been heard of may have come with it a moment ago: the directory announces it.
    const isUnknown = connectionsIn(selector).some((id) => !isLive(processOf(id)));
    const { missing: unseen } = isUnknown ? await this.#directory.nodes() : { missing: [] };
    const { value, missing } = topics.length > 0 ? await this.#directory.counts(topics) : { value: new Map<never, never>(), missing: [] };
    const having = (topic: Topic): ReadonlySet<ProcessId> => new Set(value.get(topic)?.keys());
    return { value: processesOf(selector, { having, isLive }), missing: [...unseen, ...missing] };
  }

  /** Whom the selector names on one process, also where that process is lost. */
  async idsOn(process: ProcessId, selector: Selector): Promise<Answer<readonly string[]>> {
    const missing = new Set<string>();
    const members = new Map<Topic, ReadonlyMap<string, true>>();
    for (const topic of topicsIn(selector)) {
      const answer = await this.#directory.membersOf(process, topic);
      members.set(topic, new Map(answer.value.map((id) => [id, true])));
      for (const node of answer.missing) missing.add(node);
    }
    const population: Population<true> = {
      members: (topic) => members.get(topic) ?? new Map<string, true>(),
      connection: (id) => (processOf(id) === process ? true : undefined),
    };
    return { value: [...select(selector, population).keys()], missing: [...missing] };
  }

  async #everybody(hub: string, selector: Selector): Promise<Answer<readonly string[]>> {
    const missing = new Set<string>();
    const members = new Map<Topic, ReadonlyMap<string, true>>();
    for (const topic of topicsIn(selector)) members.set(topic, await this.#all(topic, missing));
    const records = await this.#existing(connectionsIn(selector), missing);
    const population: Population<true> = {
      members: (topic) => members.get(topic) ?? new Map<string, true>(),
      connection: (id) => (records.get(id)?.hub === hub ? true : undefined), // an id of another hub names nobody
    };
    return { value: [...select(selector, population).keys()].sort(), missing: [...missing] };
  }

  async #all(topic: Topic, missing: Set<string>): Promise<ReadonlyMap<string, true>> {
    const members = new Map<string, true>();
    for (let after: Member | undefined, more = true; more;) {
      const answer = await this.#directory.members(topic, { limit: PAGE, ...(after ? { after } : {}) });
      for (const { connectionId } of answer.value) members.set(connectionId, true);
      for (const node of answer.missing) missing.add(node);
      after = answer.value.at(-1);
      more = answer.value.length === PAGE;
    }
    return members;
  }

  async #existing(ids: readonly string[], missing: Set<string>): Promise<ReadonlyMap<string, ConnectionRecord>> {
    if (ids.length === 0) return new Map();
    const answer = await this.#directory.records(ids);
    for (const node of answer.missing) missing.add(node);
    return answer.value;
  }
}

export const memberOf = (connectionId: string): Member => ({ process: processOf(connectionId), connectionId });

const plainTopic = (selector: Selector): Topic | undefined => ('topic' in selector && !selector.except ? selector.topic : undefined);

interface Whereabouts {
  having(topic: Topic): ReadonlySet<ProcessId>;
  isLive(process: ProcessId): boolean;
}

function processesOf(selector: Selector, where: Whereabouts): ReadonlySet<ProcessId> {
  if ('topic' in selector) return where.having(selector.topic);
  if ('connection' in selector) return new Set([processOf(selector.connection)].filter(where.isLive));
  const parts = ('allOf' in selector ? selector.allOf : selector.anyOf).map((part) => processesOf(part, where));
  if ('anyOf' in selector) return new Set(parts.flatMap((part) => [...part]));
  return new Set([...parts[0]!].filter((process) => parts.every((part) => part.has(process))));
}
