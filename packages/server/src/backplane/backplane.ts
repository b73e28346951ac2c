import type { Topic } from './topic.ts';

/** Identifies one start of a node: a random id. The node's channel and the ids of its connections contain it. */
export type ProcessId = string;

/** A node, as other nodes see it. */
export interface NodeInfo {
  /** The node's name for people and load balancers. It need not be unique: the process id is. */
  readonly nodeId: string;
  readonly process: ProcessId;
  readonly app: string;
  /** Whether the node accepts client connections. */
  readonly accepts: boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** The directory's record of one connection. */
export interface ConnectionRecord {
  readonly connectionId: string;
  readonly hub: string;
  readonly userId?: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** The names of the connection's groups, in any order. */
  readonly groups: readonly string[];
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
}

/**
 * Joins nodes into one cluster. A backplane is a value with settings; it opens one link for each node.
 * An implementation MUST pass `describeBackplane` of @hubline/testing.
 */
export interface Backplane {
  /**
   * Opens a link for this process, and returns at once: a node serves its own clients while the link is still connecting or down.
   * MUST NOT throw, except for invalid options. MUST NOT call the observer or read `local` before it returns.
   */
  open(self: NodeInfo, local: LocalState, observer: LinkObserver): Link;
}

/** Connects one process to the cluster. */
export interface Link {
  readonly bus: Bus;
  readonly directory: Directory;
  readonly state: LinkState;
  /** The kind of the present outage, if it is known. */
  readonly outage?: Outage | undefined;
  /** Resolves after the first registration. @throws HublineError `backplane_unavailable` if the registration can never succeed */
  ready(): Promise<void>;
  /**
   * Leaves the cluster. If the link is up, earlier publications MUST be sent first. When the promise resolves, the directory has no entry of
   * this process, and `deliver` is not called any more. Other nodes are notified (`lost` with reason `goodbye`), or see the lease expire.
   * Idempotent. MUST NOT reject.
   */
  close(): Promise<void>;
}

/** The state of a link. `down` may concern a part of the backplane; the rules for a link that is down then apply to that part only. */
export type LinkState = 'connecting' | 'up' | 'down' | 'closed';

/** The kind of an outage. `refused`: the backplane answers, but refuses commands (no memory left, no permission). */
export type Outage = 'unreachable' | 'refused';

/** Receives the events of a link: changes of its own state, and of other nodes. No method may throw. */
export interface LinkObserver {
  /** Called once for each outage of the backplane or a part of it. Other parts MAY continue normally. */
  down(cause: Error): void;
  /** The outage is over. `ms` is its length. */
  up(outage: { readonly ms: number }): void;
  /**
   * Messages for this node were lost. `lost` is their number, if it is known; `ms` is the length of the time in which messages may be missing;
   * without `channel`, any channel may be affected. MUST be called when this process was declared dead by mistake and is registered again: no messages were sent to it meanwhile.
   */
  gap(gap: { readonly channel?: string; readonly lost?: number; readonly ms: number }): void;
  /**
   * Entries of this process or another one were missing from the store, so snapshots may be wrong, and changes of watched topics may be
   * missing. No message is lost. MUST be called after the entries are written again. After a gap it need not be called.
   */
  stale(): void;
  /**
   * Another process is in the cluster: a new one, or one whose link was down and whose entries may have changed meanwhile. MUST be
   * called before a message from the process is delivered, and after queries of this process show it. MUST NOT be called while the link is down.
   */
  joined(node: NodeInfo): void;
  /**
   * A process has left (`goodbye`), or its lease has expired (`lease`); queries do not show it any more. Called once for each loss. MAY not be
   * called if the process registers again before its loss is detected.
   */
  lost(node: NodeInfo, reason: 'goodbye' | 'lease'): void;
  /**
   * Background work failed that no caller waits for. `read`: a value of the directory cannot be decoded, and is skipped. `repaired`: entries
   * of this process were missing or different, and are written again. `setup`: a setting of the backplane, or of another node, weakens the
   * backplane's guarantees.
   */
  report(stage: 'publish' | 'subscribe' | 'deliver' | 'flush' | 'lease' | 'sweep' | 'read' | 'repaired' | 'setup', error: unknown): void;
}

/**
 * Carries bytes between nodes. For each sender and channel, messages are delivered in order and at most once.
 * A channel is a topic, or `node=<process>`, or `watch=<topic>`: a string without spaces, braces and control characters.
 */
export interface Bus {
  /**
   * Sends a payload to every *other* subscribed node; MUST NOT deliver it to this one. MUST accept or refuse messages at once, in the order
   * of the calls. Resolves when the backplane has the payload. Neither the caller nor a receiver may change the bytes afterwards.
   * @throws HublineError `backplane_unavailable` (by rejection) if the payload is lost or may be: while the link is down, and after `close`.
   * A message with `mayWait` MAY instead be kept until the link is up again, in its order on the channel.
   */
  publish(channel: string, payload: Uint8Array, options?: PublishOptions): Promise<void>;
  /**
   * From the moment `ready` resolves until `close`, MUST call `deliver` for every payload that another node publishes, or report a gap. MAY
   * deliver payloads that were published earlier. MUST NOT call `deliver` inside `publish` or `subscribe`. While the link is down, `ready`
   * resolves at once, and the subscription is made when the link is up again.
   * @throws HublineError `invalid_option` if this process is subscribed to the channel already
   */
  subscribe(channel: string, deliver: (payload: Uint8Array, from: ProcessId) => void): BusSubscription;
}

export interface PublishOptions {
  /** Whether the message may be sent after an outage: true for an event, false for a request. Default false. */
  readonly mayWait?: boolean;
  /** Whether the receiver replies: such a message MAY be refused while this process cannot receive messages. Default false. */
  readonly expectsReply?: boolean;
  /**
   * A key. When a message is published, an earlier one with the same key and channel MAY be dropped if it has waited since an earlier turn
   * of the event loop and no other node can have received it. The promise of the dropped message then resolves. The order of the remaining
   * messages MUST NOT change.
   */
  readonly replaces?: string | undefined;
}

export interface BusSubscription {
  readonly ready: Promise<void>;
  /** Ends the subscription: `deliver` is not called after it returns. Idempotent. */
  close(): void;
}

/**
 * The members and connections of this process. The directory reads them at the moment of a flush, so it writes states and not
 * differences, and keeps no copy. No method may throw.
 */
export interface LocalState {
  /** Every topic with a local member. A new registration writes all of them. */
  topics(): Iterable<Topic>;
  /** The ids of all local connections. A new registration writes all of them. */
  connections(): Iterable<string>;
  /** The local members of a topic by connection id; empty if there are none. */
  members(topic: Topic): ReadonlyMap<string, unknown>;
  /** The record of a local connection; undefined if the connection has ended. */
  record(connectionId: string): ConnectionRecord | undefined;
}

/**
 * Stores the cluster's connections and topics. Each process writes only its own entries. An entry is valid while its process has a lease:
 * queries ignore the entries of a process from the end of its lease. Before the link is up for the first time, while it is down, and after
 * `close`, queries answer from local state, name the other nodes as missing, and set `hasUnknownNodes`. A watch is then made when the link is
 * up.
 */
export interface Directory {
  /**
   * Marks topics and connections of this process as changed. A connection that joined or left a topic MUST be in the same call as the topic:
   * then a join does not write the whole topic. All changes of one turn of the event loop MUST be written in one flush, and their calls return
   * the same promise. Only one flush is in progress at a time. The promise resolves when queries from any node show the change. While the link is
   * down it resolves at once, and the change is written when the link is up again. MUST NOT reject.
   */
  changed(change: Change): Promise<Flush>;
  nodes(): Promise<DirectoryResult<readonly NodeInfo[]>>;
  /** Counts the members of each topic on each process that has any. MUST take one round trip. */
  counts(topics: readonly Topic[]): Promise<DirectoryResult<ReadonlyMap<Topic, ReadonlyMap<ProcessId, number>>>>;
  /** Returns at most `limit` members of a topic after `after`, in the order of process and connection id. */
  members(topic: Topic, page: MembersPage): Promise<DirectoryResult<readonly Member[]>>;
  /**
   * Returns the connection ids of a topic's members on one process. Those of a lost process MUST be kept for at least a minute, or until it is
   * registered again: calls name by them the clients of a node that died before it had named them itself.
   */
  membersOf(process: ProcessId, topic: Topic): Promise<DirectoryResult<readonly string[]>>;
  /** Returns the records of those connections that exist, by id. Each record is read from the entries of the member's process only. */
  records(members: readonly Member[]): Promise<DirectoryResult<ReadonlyMap<string, ConnectionRecord>>>;
  /** Returns at most `limit` topics that begin with `prefix`, after `after`, in their order, with the number of members on all processes. */
  topics(prefix: string, page: TopicsPage): Promise<DirectoryResult<readonly TopicCount[]>>;
  /**
   * Returns, for every process, the records of its members of any of the topics, each once, and the version of a flush that the records
   * contain. Processes without members MUST be included: their version tells which updates are older than the snapshot. The number
   * of round trips MUST NOT grow with the number of topics.
   */
  snapshot(topics: readonly Topic[]): Promise<DirectoryResult<readonly ProcessSnapshot[]>>;
  /** Watches a topic: while the lease is held, each flush of any node that changes the topic names it in {@link Flush.watched}. */
  watch(topic: Topic): Promise<WatchLease>;
}

export interface Change {
  /** Topics that a connection joined or left. */
  readonly topics: readonly Topic[];
  /** Connections whose record has changed, or that have ended. */
  readonly connections: readonly string[];
  /** Topics whose members are unchanged, but the record of a member has changed. Nothing is written for them. */
  readonly touched?: readonly Topic[];
}

export interface Flush {
  /** Increases with every flush of this process. */
  readonly version: number;
  /**
   * The topics of the change, `touched` included, that any node watches. A watch that was held before the flush began MUST be included. While
   * the link is down the watches are unknown, and all topics of the change are included.
   */
  readonly watched: ReadonlySet<Topic>;
}

/** The nodes whose entries a result lacks. */
export interface MissingNodes {
  /** Their `nodeId`s. */
  readonly missing: readonly string[];
  /** Whether the list of nodes could not be read: other nodes, which this one does not know, may be missing too. */
  readonly hasUnknownNodes: boolean;
}

/** The result of a query. It is complete if no node is missing and there are no unknown nodes. */
export interface DirectoryResult<T> extends MissingNodes {
  readonly value: T;
}

export interface Member {
  readonly process: ProcessId;
  readonly connectionId: string;
}
export interface MembersPage {
  readonly after?: Member;
  readonly limit: number;
}
export interface TopicsPage {
  readonly after?: Topic;
  readonly limit: number;
}
export interface TopicCount {
  readonly topic: Topic;
  readonly count: number;
}
export interface ProcessSnapshot {
  readonly node: NodeInfo;
  readonly version: number;
  readonly records: readonly ConnectionRecord[];
}
export interface WatchLease {
  close(): Promise<void>;
}
