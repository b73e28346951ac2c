import type { Topic } from './topic.ts';

/** A random id per start of a node. It names the node's channel, the origin of what it sends, and its connections. */
export type ProcessId = string;

export interface NodeInfo {
  /** The node's name for people and balancers. Two processes with one name do not interfere with each other. */
  readonly nodeId: string;
  readonly process: ProcessId;
  readonly app: string;
  /** False for a node that takes no connections. */
  readonly accepts: boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** The record of one connection in the directory. */
export interface ConnectionRecord {
  readonly connectionId: string;
  readonly hub: string;
  readonly userId?: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** The names of the connection's groups. */
  readonly groups: readonly string[];
  /** Milliseconds since the epoch. */
  readonly connectedAt: number;
}

/**
 * Joins nodes into one cluster. A value: it holds the settings, and opens a link for each node that is given it.
 * An implementation passes `describeBackplane` of @hubline/testing.
 */
export interface Backplane {
  /**
   * Opens this process's place in the cluster. Returns at once: a node serves its own clients while the backplane is
   * still connecting, or down. MUST NOT throw for anything but options that make no sense, and MUST NOT call the
   * observer or read `local` before it has returned.
   */
  open(self: NodeInfo, local: LocalState, observer: LinkObserver): Link;
}

/** One node's place in the cluster. */
export interface Link {
  readonly bus: Bus;
  readonly directory: Directory;
  readonly state: LinkState;
  /** Why the link is down, where that is known. */
  readonly outage?: Outage | undefined;
  /** Settles when the first registration is done. @throws HublineError `backplane_unavailable` where waiting is pointless. */
  ready(): Promise<void>;
  /**
   * Leaves the cluster; where the link is up, earlier publications MUST be sent first. When it resolves, the directory has no entry
   * of this process, the other nodes have been notified (`lost` with reason `goodbye`) or will find its lease over, and nothing is
   * delivered any more. Idempotent. Never rejects.
   */
  close(): Promise<void>;
}

/** The state of a link. `down` may concern only a part of the backplane; the rules for a link that is down then apply to that part. */
export type LinkState = 'connecting' | 'up' | 'down' | 'closed';

/** The kind of an outage. `refused`: the backplane answers, and refuses commands (no memory left, no permission). */
export type Outage = 'unreachable' | 'refused';

/** Receives the events of a link: its own state, and the other nodes. No method may throw. */
export interface LinkObserver {
  /** Called once for an outage of all or a part of the backplane. The other parts MAY go on normally. */
  down(cause: Error): void;
  up(outage: { readonly ms: number }): void;
  /**
   * Messages for this node were lost: how many where that is known, and for how long messages may be missing. MUST be called when
   * this process was declared dead by mistake and is back: meanwhile no messages were sent to it.
   */
  gap(gap: { readonly channel?: string; readonly lost?: number; readonly ms: number }): void;
  /**
   * Snapshots may be wrong, and changes of what this process watches may not have been sent to it: the store had lost entries, of this
   * process or another one. No message is lost. MUST be called when the entries are written again. A gap implies it.
   */
  stale(): void;
  /**
   * Another process is in the cluster, for the first time or again: also without `lost` where only its link was down, since its
   * entries may have changed meanwhile. MUST be called before a message from it is delivered, and after queries of this process
   * show it: not while the link is down.
   */
  joined(node: NodeInfo): void;
  /** The node has no lease any more, and no query shows it. Called once per loss; a loss that ends before it is noticed MAY go unreported. */
  lost(node: NodeInfo, reason: 'goodbye' | 'lease'): void;
  /**
   * Background work failed, and no caller waits for it. `read`: a value of the directory cannot be decoded, and is skipped.
   * `repaired`: entries of this process were missing or different, and are written again. `setup`: a setting of the backplane, or of
   * another node, endangers the backplane's guarantees.
   */
  report(stage: 'publish' | 'subscribe' | 'deliver' | 'flush' | 'lease' | 'sweep' | 'read' | 'repaired' | 'setup', error: unknown): void;
}

/**
 * Carries bytes between nodes. For each sender and channel: in order, at most once.
 * Channels are strings without spaces, braces or control characters (topics, and `node=<process>`).
 */
export interface Bus {
  /**
   * Hands a payload to every *other* node that is subscribed. MUST NOT deliver to the publishing node. MUST accept or
   * refuse at once and in order of the calls; resolves when the backplane has the payload. Neither the caller nor a
   * receiver may change the bytes afterwards.
   * @throws HublineError `backplane_unavailable` (by rejection) when the payload is lost, or may be: while the link is down, and
   * after `close`. A message with `mayWait` MAY be kept instead until the link is back, in its order on the channel.
   */
  publish(channel: string, payload: Uint8Array, options?: PublishOptions): Promise<void>;
  /**
   * MUST call `deliver` for every payload that another node publishes after `ready` resolved, until `close`, or report
   * a gap; MAY deliver some that were published before. MUST NOT call it inside `publish` or `subscribe`. While the
   * backplane is down, `ready` resolves and the subscription is made when it is back.
   * @throws HublineError `invalid_option` where the channel has a subscription already: the caller counts its own.
   */
  subscribe(channel: string, deliver: (payload: Uint8Array, from: ProcessId) => void): BusSubscription;
}

export interface PublishOptions {
  /** Whether the message may be sent later: an event, not a question. Default false. */
  readonly mayWait?: boolean;
  /** Whether the message is a question: MAY be refused while this process cannot receive the answer. Default false. */
  readonly expectsReply?: boolean;
  /**
   * A key. A message that waits since a turn before, and that other nodes cannot have received, MAY be dropped when the next one with
   * its key is published on its channel: its promise resolves then, and all messages that are left keep the order of their calls.
   */
  readonly replaces?: string | undefined;
}

export interface BusSubscription {
  readonly ready: Promise<void>;
  /** Ends the subscription: after it returns, `deliver` is not called any more. Idempotent. */
  close(): void;
}

/**
 * The state of this process, read at the moment of a flush: the directory writes that state, not differences, and keeps no
 * copy of its own. No method may throw.
 */
export interface LocalState {
  /** Every topic with a local member, and every connection: a new incarnation registers all of them. */
  topics(): Iterable<Topic>;
  connections(): Iterable<string>;
  /** The local members by connection id; empty where there are none (any more). */
  members(topic: Topic): ReadonlyMap<string, unknown>;
  /** The record of a local connection; undefined where it is gone. */
  record(connectionId: string): ConnectionRecord | undefined;
}

/**
 * The registry of the cluster's connections and topics. Each process writes only its own entries; an entry counts only while its
 * process has a lease, so queries ignore the entries of a dead process from the end of its lease. While the link is down, before it
 * was up for the first time, and after `close`, queries answer from local state, name the other nodes as missing, and are blind;
 * watches are made when it is back.
 */
export interface Directory {
  /**
   * Marks topics and connections of this process as changed. A connection that joined or left a topic MUST
   * be among the connections of the same call, so that a join need not write the whole topic. Everything of one turn of the event
   * loop goes into one flush, one flush is in flight at a time, and all calls of one flush get the same promise. It
   * resolves when every query, from any node, shows the change; while the backplane is down it resolves at once, and
   * the change is written when it is back. MUST NOT reject.
   */
  changed(change: Change): Promise<Flush>;
  nodes(): Promise<DirectoryResult<readonly NodeInfo[]>>;
  /** How many members each process has, those with any, for each of the topics, in one round trip. */
  counts(topics: readonly Topic[]): Promise<DirectoryResult<ReadonlyMap<Topic, ReadonlyMap<ProcessId, number>>>>;
  /** Members of a topic, ordered by process and id, after `after`, at most `limit`. */
  members(topic: Topic, page: MembersPage): Promise<DirectoryResult<readonly Member[]>>;
  /**
   * The members that one process has, or had: also of a process that is lost, for at least a minute, or until it is
   * back. By this a call names the clients of a node that died before it had named them itself.
   */
  membersOf(process: ProcessId, topic: Topic): Promise<DirectoryResult<readonly string[]>>;
  /** Records of connections, by their ids: those that exist. Each is asked of its process alone. */
  records(members: readonly Member[]): Promise<DirectoryResult<ReadonlyMap<string, ConnectionRecord>>>;
  /** Topics that begin with `prefix`, with the number of members over all processes, ordered by topic, after `after`. */
  topics(prefix: string, page: TopicsPage): Promise<DirectoryResult<readonly TopicCount[]>>;
  /**
   * The members of any of the topics with their records, each once, and for each process the flush up to which they are
   * certainly in it. Processes without members are in it too: their flush says which updates of them are older. The number of
   * round trips MUST NOT grow with the number of topics.
   */
  snapshot(topics: readonly Topic[]): Promise<DirectoryResult<readonly ProcessSnapshot[]>>;
  /** Watches a topic: while the lease is held, every flush at any node that touches the topic names it in {@link Flush.watched}. */
  watch(topic: Topic): Promise<WatchLease>;
}

export interface Change {
  /** Topics that a connection joined or left. */
  readonly topics: readonly Topic[];
  /** Connections whose record has changed or is gone. */
  readonly connections: readonly string[];
  /** Topics with unchanged members, of which one's record has changed: nothing is written for them. */
  readonly touched?: readonly Topic[];
}

export interface Flush {
  /** Grows with every flush of this process. */
  readonly version: number;
  /**
   * The touched topics that any node watches. A watch that was held before the flush began MUST be among them; while the
   * link is down this is unknown, and all touched topics are.
   */
  readonly watched: ReadonlySet<Topic>;
}

/** The nodes whose part of an answer is missing. */
export interface MissingNodes {
  /** By `nodeId`. */
  readonly missing: readonly string[];
  /** Whether the list of nodes could not be read: besides the missing nodes there may be others that this one does not know. */
  readonly hasUnknownNodes: boolean;
}

/** A directory's answer. It is complete where no node is missing, and it is not blind. */
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
