import { isHublineError } from '@hubline/protocol';
import {
  EnvelopeKind,
  read,
  type ConnectionRecord,
  type Flush,
  type NodeMessenger,
  type ProcessId,
  type Read,
  type Topic,
} from '../backplane/index.ts';
import type { LocalMembership, MembershipChange } from '../membership/index.ts';

/** The changes of a topic on one process in one flush: the message on a watched topic's channel. */
export interface TopicChange {
  readonly topic: Topic;
  readonly version: number;
  /** The current records of connections that are, or were, in the topic. The watch evaluates its selector over them. */
  readonly present: readonly ConnectionRecord[];
  /** The ids of connections that have ended. */
  readonly gone: readonly string[];
}

export type TopicChangeListener = (change: TopicChange, from: ProcessId) => void;

export const watchChannel = (topic: Topic): string => `watch=${topic}`;

const readAttributes: Read<ConnectionRecord['attributes']> = (value) => {
  for (const [key, attribute] of Object.entries(read.object(value))) {
    read.name(key);
    if (typeof attribute !== 'string' && typeof attribute !== 'boolean') read.number(attribute);
  }
  return value as ConnectionRecord['attributes'];
};

const readFields = read.fields({
  connectionId: read.name,
  hub: read.name,
  userId: read.optional(read.name),
  attributes: readAttributes,
  groups: read.list(read.name),
  connectedAt: read.number,
});

const readRecord: Read<ConnectionRecord> = (value) => {
  const { userId, ...record } = readFields(value);
  return userId === undefined ? record : { ...record, userId };
};

const readTopicChange: Read<TopicChange> = read.fields({
  topic: read.text,
  version: read.count,
  present: read.list(readRecord),
  gone: read.list(read.text),
});

export interface TopicChangesOptions {
  readonly self: ProcessId;
  readonly membership: LocalMembership;
  readonly messenger: NodeMessenger;
  readonly report: (error: unknown) => void;
}

/** Publishes the changes of each flush of this node on the channels of watched topics, and receives the changes of other nodes. */
export class TopicChanges {
  readonly #options: TopicChangesOptions;
  readonly #pending = new Map<Promise<Flush>, Map<Topic, Set<string>>>();
  readonly #listeners = new Set<TopicChangeListener>();

  constructor(options: TopicChangesOptions) {
    this.#options = options;
    options.membership.onChange((change) => this.#collect(change));
    options.messenger.on(EnvelopeKind.presence, readTopicChange, (change, _body, from) => this.#notify(change, from));
  }

  listen(listener: TopicChangeListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Collects changes by the flush that writes them, because its result names the watched topics. */
  #collect({ connectionId, topics, flush }: MembershipChange): void {
    let changes = this.#pending.get(flush);
    if (!changes) {
      this.#pending.set(flush, (changes = new Map<Topic, Set<string>>()));
      void flush.then((done) => this.#publish(flush, done));
    }
    for (const topic of topics) changes.set(topic, (changes.get(topic) ?? new Set<string>()).add(connectionId));
  }

  #publish(flush: Promise<Flush>, { version, watched }: Flush): void {
    const { membership, messenger, self, report } = this.#options;
    const changes = this.#pending.get(flush);
    this.#pending.delete(flush);
    for (const topic of watched) {
      const ids = [...(changes?.get(topic) ?? [])];
      if (ids.length === 0) continue;
      const present = ids.flatMap((id) => membership.record(id) ?? []);
      const gone = ids.filter((id) => !membership.member(id));
      const change: TopicChange = { topic, version, present, gone };
      this.#notify(change, self);
      messenger.publish(watchChannel(topic), { kind: EnvelopeKind.presence, header: change }).catch((error: unknown) => {
        // After an outage the watches of other nodes read a snapshot, and the outage itself is reported.
        if (!isHublineError(error) || error.code !== 'backplane_unavailable') report(error);
      });
    }
  }

  #notify(change: TopicChange, from: ProcessId): void {
    for (const listener of this.#listeners) listener(change, from);
  }
}
