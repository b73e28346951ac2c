import type { Topic } from './topic.ts';

/** A random id per start of a node. It names the node's channel, the origin of what it sends, and its connections. */
export type ProcessId = string;

export interface NodeInfo {
  /** The node's name for people and balancers. Two processes may have one name: they never damage each other. */
  readonly nodeId: string;
  readonly process: ProcessId;
  readonly app: string;
  /** False for a node that only sends and asks. */
  readonly accepts: boolean;
  /** Milliseconds since the epoch. */
  readonly startedAt: number;
}

/** What the cluster knows of one connection. */
export interface ConnectionRecord {
  readonly connectionId: string;
  readonly hub: string;
  readonly userId?: string;
  readonly attributes: Readonly<Record<string, string | number | boolean>>;
  /** The names of the group topics that it is in. */
  readonly groups: readonly string[];
  /** Milliseconds since the epoch. */
  readonly since: number;
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
  open(self: NodeInfo, local: Local, observer: LinkObserver): Link;
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
   * Says goodbye; where the link is up, what was published before MUST leave first. When it resolves, nothing of this process
   * is in the directory, the others have been told (`lost` with reason `goodbye`) or will find its lease over, and nothing is
   * delivered any more. Idempotent. Never rejects.
   */
  close(): Promise<void>;
}

/** `down` may be of a part; then what is said here of a link that is down is true of what that part carries. */
export type LinkState = 'connecting' | 'up' | 'down' | 'closed';

/** `refused`: the backplane is there, and does not do what it is asked to (no memory left, no permission). */
export type Outage = 'unreachable' | 'refused';

/** How a link tells its node what happens to it and to the others. None of them may throw. */
export interface LinkObserver {
  /** Once for an outage, be it of all or of a part: what is not concerned MAY go on as if nothing were. */
  down(cause: Error): void;
  up(outage: { readonly ms: number }): void;
  /**
   * Messages for this node were lost: how many where that is known, and for how long it may not have heard. MUST come when
   * this process was declared dead by mistake and is back: nobody told it anything meanwhile.
   */
  gap(gap: { readonly channel?: string; readonly lost?: number; readonly ms: number }): void;
  /**
   * Another process is in the cluster, for the first time or again: also without `lost` where only its link was down, since
   * what changed there meanwhile is news. MUST come before anything it sends is delivered, and when a query of this process
   * already shows it: not while the link is down.
   */
  joined(node: NodeInfo): void;
  /** No lease of this process lives any more, and no query of this process shows it. Reported once per loss; one that is over before it is noticed MAY go unreported. */
  lost(node: NodeInfo, reason: 'goodbye' | 'lease'): void;
  /**
   * Background work failed, and no caller waits for it. `read`: a value of the directory cannot be read, and is passed over.
   * `repaired`: what this process had written was missing or different, and is written again. `setup`: a setting of the backplane, or of
   * another node, endangers what is promised.
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
   * refuse at once and in order of the calls; resolves when the backplane has the payload. Nobody changes the bytes
   * afterwards, neither the caller nor who gets them.
   * @throws HublineError `backplane_unavailable` (by rejection) when the payload is lost, or may be: while the link is down, and
   * after `close`. What may wait MAY be kept instead until the link is back, in its order on the channel.
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
  /** It is as good later: an event, and no question that somebody waits for. Default false. */
  readonly mayWait?: boolean;
  /** Of no use where what comes back to this process would not be heard: MAY be refused then. Default false. */
  readonly expectsAnswer?: boolean;
}

export interface BusSubscription {
  readonly ready: Promise<void>;
  /** When it returns, `deliver` is not called any more. Idempotent. */
  close(): void;
}

/**
 * What this process has, read at the moment of a flush: the directory writes what is there then, absolute, and keeps
 * no copy of its own. None of it may throw.
 */
export interface Local {
  /** Every topic with a member here, and every connection: what a new incarnation registers. */
  topics(): Iterable<Topic>;
  connections(): Iterable<string>;
  /** The members here by connection id; empty where there are none (any more). */
  members(topic: Topic): ReadonlyMap<string, unknown>;
  /** Undefined where it is gone. */
  record(connectionId: string): ConnectionRecord | undefined;
}

/**
 * Who is where. Each process writes only what is its own; an entry counts only while its process has a lease, so what a
 * dead process left behind is invisible from the moment its lease ends. While the link is down, before it was up for the first
 * time, and after `close`, queries answer with what is local, name the others as missing, and are blind; watches are made when it
 * is back.
 */
export interface Directory {
  /**
   * Says that these topics and connections of this process are not what they were. Who came to a topic or left it MUST
   * be among the connections of the same call: so a join need not write the whole topic. Everything of one turn of the event
   * loop goes into one flush, one flush is in flight at a time, and all calls of one flush get the same promise. It
   * resolves when every query, from any node, shows the change; while the backplane is down it resolves at once, and
   * the change is written when it is back. MUST NOT reject.
   */
  changed(change: Change): Promise<Flush>;
  nodes(): Promise<Answer<readonly NodeInfo[]>>;
  /** How many members each process has, those with any, for each of the topics, in one round trip. */
  counts(topics: readonly Topic[]): Promise<Answer<ReadonlyMap<Topic, ReadonlyMap<ProcessId, number>>>>;
  /** Members of a topic, ordered by process and id, after `after`, at most `limit`. */
  members(topic: Topic, page: MembersPage): Promise<Answer<readonly Member[]>>;
  /**
   * The members that one process has, or had: also of a process that is lost, for at least a minute, or until it is
   * back. This is how a call names the clients of a node that died before it could say whom it asked.
   */
  membersOf(process: ProcessId, topic: Topic): Promise<Answer<readonly string[]>>;
  /** Records of connections, by their ids: those that exist. Each is asked of its process alone. */
  records(members: readonly Member[]): Promise<Answer<ReadonlyMap<string, ConnectionRecord>>>;
  /** Topics that begin with `prefix`, with the number of members over all processes, ordered by topic, after `after`. */
  topics(prefix: string, page: TopicsPage): Promise<Answer<readonly TopicCount[]>>;
  /**
   * The members of any of the topics with their records, each once, and for each process the flush up to which they are
   * certainly in it. Processes without members are in it too: their flush says which updates of them are older. The number of
   * round trips MUST NOT grow with the number of topics.
   */
  snapshot(topics: readonly Topic[]): Promise<Answer<readonly ProcessSnapshot[]>>;
  /** While held, every flush at any node whose change touches the topic says so in {@link Flush.watched}. */
  watch(topic: Topic): Promise<WatchLease>;
}

export interface Change {
  /** Topics that somebody joined or left. */
  readonly topics: readonly Topic[];
  /** Connections whose record is another one, or is gone. */
  readonly connections: readonly string[];
  /** Topics with the same members as before, of which one has another record: nothing is written for them. */
  readonly touched?: readonly Topic[];
}

export interface Flush {
  /** Grows with every flush of this process. */
  readonly version: number;
  /**
   * The touched topics that somebody watches. A watch that was held before the flush began MUST be among them; while the
   * link is down nobody can ask, and all touched topics are.
   */
  readonly watched: ReadonlySet<Topic>;
}

/** Whose part of an answer could not be read. */
export interface Shortfall {
  /** By `nodeId`. */
  readonly missing: readonly string[];
  /** Who is there could not be asked: besides those that are missing there may be nodes that nobody here has heard of. */
  readonly isBlind: boolean;
}

/** A directory's answer. It is of everybody where nobody is missing, and it is not blind. */
export interface Answer<T> extends Shortfall {
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
