import { HublineError, invalidOption } from '@hubline/protocol';
import { nameIn, topicPrefix, userTopic, type DirectoryResult, type ConnectionRecord, type Directory } from '../backplane/index.ts';
import { processOf } from '../connection/index.ts';
import type { Selector } from '../membership/index.ts';
import { completenessOf, type ClusterValue } from './completeness.ts';
import { PresenceReader, memberOf } from './presence-reader.ts';
import type { ClusterNodes } from './cluster-nodes.ts';
import { checkPage, pages, type Page, type Pages } from './page.ts';
import { isComplete, MissingNodesCollector, nodesUnavailable } from './missing-nodes.ts';

/** The data of a connection on any node. */
export interface ConnectionInfo<A> {
  readonly connectionId: string;
  readonly nodeId: string;
  readonly userId?: string;
  readonly attributes: Partial<A>;
  readonly groups: readonly string[];
  /** When it connected, in milliseconds since the epoch. */
  readonly connectedAt: number;
}

/** A user that is online. */
export interface UserInfo {
  readonly userId: string;
  /** The number of the user's connections on all nodes. */
  readonly connections: number;
}

export interface PageOptions<F = never> {
  /** The fields of each item besides `connectionId`. Default: all. Without fields the directory need not read the records. */
  readonly select?: readonly F[] | undefined;
  /** The number of items in a page. Default 100. */
  readonly limit?: number | undefined;
  /** The `cursor` of the page before. Default: the list starts with its first item. */
  readonly cursor?: string | undefined;
}

const DEFAULT_LIMIT = 100;

/** Answers the presence queries of one hub. */
export class PresenceQueries<A> {
  readonly #hub: string;
  readonly #directory: Directory;
  readonly #nodes: ClusterNodes;
  readonly #reader: PresenceReader;

  constructor(hub: string, directory: Directory, nodes: ClusterNodes) {
    this.#hub = hub;
    this.#directory = directory;
    this.#nodes = nodes;
    this.#reader = new PresenceReader(directory);
  }

  connections<const F extends keyof ConnectionInfo<A> = keyof ConnectionInfo<A>>(
    selector: Selector,
    { select, limit = DEFAULT_LIMIT, cursor }: PageOptions<F> = {},
  ): Pages<Pick<ConnectionInfo<A>, F | 'connectionId'>> {
    checkPage(limit, cursor);
    if (select !== undefined) checkFields(select);
    return pages(async (after) => {
      const missing = new MissingNodesCollector();
      const ids = missing.collect(await this.#reader.ids(this.#hub, selector, { after, limit }));
      const items = await this.#infos<F>(ids, select, missing);
      return page(missing.result(items), ids.length === limit ? ids.at(-1) : undefined);
    }, cursor);
  }

  users({ limit = DEFAULT_LIMIT, cursor }: PageOptions = {}): Pages<UserInfo> {
    const prefix = topicPrefix(this.#hub, 'user');
    checkPage(limit, cursor);
    return pages(async (after) => {
      const topics = await this.#directory.topics(prefix, { limit, ...(after === undefined ? {} : { after }) });
      const items = topics.value.flatMap(({ topic, count }) => {
        const userId = nameIn(topic, prefix);
        return userId === undefined ? [] : { userId, connections: count };
      });
      return page({ ...topics, value: items }, topics.value.length === limit ? topics.value.at(-1)?.topic : undefined);
    }, cursor);
  }

  /** @throws HublineError `backplane_unavailable` if the user was not found and some nodes could not be asked */
  async isOnline(userId: string): Promise<boolean> {
    const count = await this.#reader.count(this.#hub, { topic: userTopic(this.#hub, userId) });
    if (count.value === 0 && !isComplete(count)) throw nodesUnavailable(count.missing);
    return count.value > 0;
  }

  /** Takes one round trip, or two if some users are offline, for any number of users. */
  async online(userIds: readonly string[]): Promise<ClusterValue<ReadonlySet<string>>> {
    const topics = new Map(userIds.map((userId) => [userId, userTopic(this.#hub, userId)]));
    const counts = await this.#directory.counts([...topics.values()]);
    const online = [...topics].filter(([, topic]) => (counts.value.get(topic)?.size ?? 0) > 0);
    return { value: new Set(online.map(([userId]) => userId)), ...completenessOf(counts) };
  }

  async count(selector: Selector): Promise<ClusterValue<number>> {
    const count = await this.#reader.count(this.#hub, selector);
    return { value: count.value, ...completenessOf(count) };
  }

  /** @throws HublineError `connection_gone`, or `backplane_unavailable` if the connection's node could not be asked */
  async groupsOf(connectionId: string): Promise<readonly string[]> {
    const records = await this.#directory.records([memberOf(connectionId)]);
    const record = records.value.get(connectionId);
    if (record?.hub === this.#hub) return record.groups;
    const owner = this.#nodes.get(processOf(connectionId));
    const isAsked = owner ? !records.missing.includes(owner.nodeId) : isComplete(records);
    if (!isAsked) throw nodesUnavailable(records.missing);
    throw new HublineError('connection_gone', `Connection '${connectionId}' does not exist.`, { connectionId });
  }

  async #infos<F extends keyof ConnectionInfo<A>>(
    ids: readonly string[],
    select: readonly F[] | undefined,
    missing: MissingNodesCollector,
  ): Promise<readonly Pick<ConnectionInfo<A>, F | 'connectionId'>[]> {
    const fields: readonly (keyof ConnectionInfo<A>)[] | undefined = select && [...new Set([...select, 'connectionId' as const])];
    if (fields?.every((field) => field === 'connectionId' || field === 'nodeId')) {
      const items = ids.map((connectionId) => pick({ connectionId, nodeId: this.#nodes.nameOf(processOf(connectionId)) }, fields));
      return items as Pick<ConnectionInfo<A>, F | 'connectionId'>[];
    }
    const records = missing.collect(await this.#directory.records(ids.map(memberOf)));
    // A connection that left between the two queries has no record.
    const infos = ids.flatMap((id) => records.get(id) ?? []).map((record) => infoOf<A>(record, this.#nodes));
    return fields ? infos.map((info) => pick(info, fields) as Pick<ConnectionInfo<A>, F | 'connectionId'>) : infos;
  }
}

const FIELDS = {
  connectionId: true,
  nodeId: true,
  userId: true,
  attributes: true,
  groups: true,
  connectedAt: true,
} as const satisfies Record<keyof ConnectionInfo<never>, true>;

/** @throws HublineError `invalid_option` */
function checkFields(select: unknown): void {
  if (Array.isArray(select) && select.every((field) => typeof field === 'string' && Object.hasOwn(FIELDS, field))) return;
  throw invalidOption('select', `must be a list of ${Object.keys(FIELDS).join(', ')}`);
}

export function infoOf<A>(
  { connectionId, userId, attributes, groups, connectedAt }: ConnectionRecord,
  nodes: ClusterNodes,
): ConnectionInfo<A> {
  return {
    connectionId,
    nodeId: nodes.nameOf(processOf(connectionId)),
    ...(userId === undefined ? {} : { userId }),
    attributes: attributes as Partial<A>, // checked by the hub when they were set
    groups,
    connectedAt,
  };
}

function pick<T extends object>(from: T, fields: readonly PropertyKey[]): Partial<T> {
  return Object.fromEntries(Object.entries(from).filter(([field]) => fields.includes(field))) as Partial<T>;
}

function page<T>(result: DirectoryResult<readonly T[]>, cursor: string | undefined): Page<T> {
  return {
    items: result.value,
    ...(cursor === undefined ? {} : { cursor }),
    ...completenessOf(result),
  };
}
