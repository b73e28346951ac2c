import { EnvelopeKind, type ConnectionRecord, type Flush, type Messenger, type ProcessId, type Topic } from '../backplane/index.ts';
import type { LocalMembership, MembershipChange } from '../membership/index.ts';

/** Who came, changed and left on one process, up to one of its flushes: what a watched topic's channel carries. */
export interface PresenceDiff {
  readonly topic: Topic;
  readonly version: number;
  /** Those that are, or were, in the topic, as they are now: the watcher decides whether it still concerns him. */
  readonly present: readonly ConnectionRecord[];
  readonly gone: readonly string[];
}

export type DiffListener = (diff: PresenceDiff, from: ProcessId) => void;

export const watchChannel = (topic: Topic): string => `watch=${topic}`;

export interface DiffsOptions {
  readonly self: ProcessId;
  readonly membership: LocalMembership;
  readonly messenger: Messenger;
  readonly report: (error: unknown) => void;
}

/** Tells the watchers of a topic, on any node, what each flush of this node changed; and this node's what the others say. */
export class Diffs {
  readonly #options: DiffsOptions;
  readonly #pending = new Map<Promise<Flush>, Map<Topic, Set<string>>>();
  readonly #listeners = new Set<DiffListener>();

  constructor(options: DiffsOptions) {
    this.#options = options;
    options.membership.onChange((change) => this.#collect(change));
    options.messenger.on<PresenceDiff>(EnvelopeKind.presence, (diff, _body, from) => this.#tell(diff, from));
  }

  listen(listener: DiffListener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Changes are kept by the flush that writes them, for that flush knows who watches. */
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
      const diff: PresenceDiff = { topic, version, present, gone };
      this.#tell(diff, self);
      // The watchers hear that this link was down, and ask for everything again.
      messenger.publish(watchChannel(topic), { kind: EnvelopeKind.presence, header: diff }).catch(report);
    }
  }

  #tell(diff: PresenceDiff, from: ProcessId): void {
    for (const listener of this.#listeners) listener(diff, from);
  }
}
