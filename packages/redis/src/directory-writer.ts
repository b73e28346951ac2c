import type { Change, Flush, LocalState, Topic, WatchLease } from '@hubline/server/backplane';
import { DirtySet } from './dirty-set.ts';
import { everythingIn, watchedIn, watchWritingOf, writingsOf, type WriteSet, type Writing } from './entries.ts';
import type { LinkContext } from './link-context.ts';
import type { Peers } from './peers.ts';
import { WrongTypeError, type Command } from './redis-connection.ts';
import type { Registration } from './registration.ts';
import type { Session } from './session.ts';
import type { Sweeper } from './sweeper.ts';
import { encodeNode } from './values.ts';
import { Verifier, type Difference } from './verifier.ts';
import { Watchers } from './watchers.ts';

export interface DirectoryWriterOptions extends Pick<
  LinkContext,
  'self' | 'local' | 'settings' | 'store' | 'keys' | 'availability' | 'unreadable' | 'status' | 'events'
> {
  readonly registration: Pick<Registration, 'session' | 'begin'>;
  readonly sweeper: Pick<Sweeper, 'schedule'>;
  readonly peers: Pick<Peers, 'doubtAll'>;
}

/**
 * Writes this process's memberships and records to Redis, one flush at a time, and renews its lease. If the lease has ended or writes are
 * missing, begins another session, which writes the whole state again.
 */
export class DirectoryWriter {
  readonly #options: DirectoryWriterOptions;
  readonly #watchers: Watchers;
  #verifier: Verifier;
  /** The topics that this node watches, with the number of their watches. */
  readonly #ownWatches = new Map<Topic, number>();
  #version = 0;
  #dirty = new DirtySet();
  /** The next flush, which still takes changes. */
  #pendingFlush: Promise<Flush> | undefined;
  /** The end of the queue of tasks. */
  #tail: Promise<unknown> = Promise.resolve();
  /** Settles when the link is up after the latest registration, or is down again. */
  #entered: Promise<void> = Promise.resolve();
  #restarting: Promise<void> | undefined;
  /** The renewal that is in flight, or waits for its turn. */
  #renewal: Promise<void> | undefined;

  constructor(options: DirectoryWriterOptions) {
    this.#options = options;
    this.#watchers = new Watchers(options);
    this.#verifier = this.#newVerifier();
  }

  get #session(): Session {
    return this.#options.registration.session;
  }
  /** The number of the latest flush. Registrations are counted too. */
  get version(): number {
    return this.#version;
  }

  changed(change: Change): Promise<Flush> {
    this.#dirty.add(change);
    return (this.#pendingFlush ??= this.#inTurn(async () => {
      await endOfTurn();
      await this.#options.status.settled;
      this.#pendingFlush = undefined;
      return this.#flush();
    }));
  }

  async watch(topic: Topic): Promise<WatchLease> {
    const hold = async (by: 1 | -1): Promise<void> => {
      const holders = (this.#ownWatches.get(topic) ?? 0) + by;
      if (holders > 0) this.#ownWatches.set(topic, holders);
      else this.#ownWatches.delete(topic);
      this.#dirty.watches.add(topic);
      await this.changed({ topics: [], connections: [] });
    };
    await hold(1);
    let closed: Promise<void> | undefined;
    return { close: () => (closed ??= hold(-1)) };
  }

  /**
   * Renews the lease, and verifies entries in Redis. Calls during a renewal share it: on a slow link, queued renewals would delay every
   * flush.
   */
  renewLease(): Promise<void> {
    return (this.#renewal ??= this.#inTurn(() => this.#renewLease()).finally(() => (this.#renewal = undefined)));
  }

  async #renewLease(): Promise<void> {
    const { store, keys, settings, availability } = this.#options;
    if (!availability.has(keys.registry)) return;
    const counters = store.tags().map((tag) => [tag, keys.writes(this.#session.incarnation, tag)] as const);
    const reached = counters.filter(([, key]) => availability.has(key));
    const keep = reached.map(([, key]): Command => ['pexpire', key, 4 * settings.nodeTimeoutMs]);
    const isAlive = await this.#write([...this.#session.lossCheck(reached.map(([tag]) => tag)), ...keep]);
    if (isAlive && this.#options.status.isUp) await this.#verify();
  }

  /** Verifies a part of the entries, and writes those that differ again. */
  async #verify(): Promise<void> {
    const { incarnation, watched, flushed } = this.#session;
    const differences = await this.#verifier.verify({
      incarnation,
      watches: this.#ownWatches,
      watched,
      flushed,
      unwritten: () => this.#dirty,
    });
    if (differences.length === 0) return;
    await this.#repair(differences);
    this.#options.events.entriesRepaired([...new Set(differences.map(({ key }) => key))]);
  }

  async #repair(differences: readonly Difference[]): Promise<void> {
    const { keys, self, local } = this.#options;
    const differs = (part: Difference['part']): boolean => differences.some((each) => each.part === part);
    const session = this.#session;
    const { incarnation } = session;
    await this.#markPartial();
    const keysToDelete = new Set(differences.flatMap(({ key, mustDelete }) => (mustDelete ? key : [])));
    // Each key is deleted right before it is written, in the same round trip, so that readers do not find it empty.
    const replacing = (commands: readonly Command[]): Command[] =>
      commands.flatMap((command): Command[] => {
        const key = String(command[1]);
        return keysToDelete.delete(key) ? [['del', key], command] : [command];
      });
    for (const { before, entries, after } of writingsOf(writeSetOf(differences, local), { keys, incarnation, local })) {
      const writing = { before: replacing(before), entries: replacing(entries), after: replacing(after) };
      if (!(await this.#writeStages(writing, []))) return; // another session has begun
    }
    const last: Command[] = [];
    if (differs('registry')) last.push(['hset', keys.registry, incarnation, encodeNode(self)]);
    if (differs('version')) last.push(['set', keys.flushed(incarnation), session.flushed]);
    if (differs('watches')) last.push(...this.#watchWriting(this.#ownWatches.keys(), ++this.#version));
    const replaced = replacing(last);
    const unused = [...keysToDelete].map((key): Command => ['del', key]); // keys to which nothing is written
    if (!(await this.#run([...replaced, ...unused]))) return;
    await this.#run([session.markCompleteCommand(), ...(differs('lease') ? [session.leaseCommand('alive')] : [])]);
  }

  async #markPartial(): Promise<void> {
    await this.#options.store.run([this.#session.markIncompleteCommand()]);
  }

  #watchWriting(changed: Iterable<Topic>, version: number): readonly Command[] {
    const { incarnation } = this.#session;
    const commands = watchWritingOf({ changed, held: this.#ownWatches, version }, this.#options.keys, incarnation);
    if (commands.length > 0) this.#session.watched = watchedIn(commands);
    return commands;
  }

  /** Begins a session after an outage. Flushes after it wait for `entered`. @throws HublineError */
  register(entered: Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      await this.#begin();
      this.#entered = entered;
    });
  }

  /** Begins another session after a reader has found that the lease of this one has ended. */
  restart(session: Session): void {
    this.#restarting ??= this.#inTurn(async () => {
      this.#restarting = undefined;
      if (session !== this.#session || !this.#options.status.isUp) return;
      try {
        await this.#restart();
      } catch (error) {
        this.#options.events.writeFailed(error);
      }
    });
  }

  /** Resolves when no flush is in flight. */
  async settle(): Promise<void> {
    await this.#tail.catch(() => undefined); // its caller handles the error
  }

  /** Whether this process can write: the slots of its lease and of the index of its entries must be available. */
  get #canWrite(): boolean {
    const { keys, availability, status } = this.#options;
    return status.outage !== 'refused' && availability.has(keys.registry) && availability.has(keys.topics(this.#session.incarnation));
  }

  async #flush(): Promise<Flush> {
    const { status, events } = this.#options;
    const dirty = this.#dirty;
    this.#dirty = new DirtySet();
    const version = ++this.#version;
    // Waits until the link is up: otherwise changes between the registration and that moment would not be sent to watchers.
    await this.#entered;
    // A second attempt if a shard becomes unavailable meanwhile: the others receive their part.
    for (let tries = 0; tries < 2 && this.#canWrite; tries++) {
      try {
        return { version, watched: (await this.#writeDirty(dirty, version)) ?? dirty.touched };
      } catch (error) {
        this.#options.events.writeFailed(error);
      }
    }
    this.#session.isPartial = true;
    if (status.outage === 'refused') await this.#markPartial().catch((error: unknown) => events.writeFailed(error)); // it may be refused too
    // During an outage the watches cannot be read, so all topics count as watched. The state is written after the outage.
    return { version, watched: dirty.touched };
  }

  /** Writes the changes, and returns the touched topics that are watched; undefined if another session has begun instead. */
  async #writeDirty(dirty: DirtySet, version: number): Promise<ReadonlySet<Topic> | undefined> {
    const { keys, availability, local } = this.#options;
    const session = this.#session;
    const { incarnation } = session;
    // Topics on unavailable shards are written by the registration after the outage.
    const writeSet = dirty.asWriteSet(
      (topic) => availability.has(keys.counts(topic)),
      () => this.#dirty,
    );
    const watches = this.#watchWriting(dirty.watches, version);
    const ask: Command = ['hgetall', keys.watched];
    const finalCommands: readonly Command[] = [...watches, ['set', keys.flushed(incarnation), version], ask];
    const writings = writingsOf(writeSet, { keys, incarnation, local });
    // One ahead, because the final commands are sent with the last writing.
    for (let next = writings.next(); !next.done;) {
      const writing: Writing = next.value;
      next = writings.next();
      const answers = await this.#writeStages(writing, next.done ? finalCommands : []);
      if (!answers) return undefined;
      if (!next.done) continue;
      session.flushed = version;
      return this.#watchers.watchedAmong(dirty.touched, {
        listed: answers[finalCommands.indexOf(ask)],
        own: incarnation,
        held: this.#ownWatches,
      });
    }
    return undefined;
  }

  /** Writes the stages, and returns the answers to `last`. A single Redis keeps their order, so they are one round trip there. */
  async #writeStages({ before, entries, after }: Writing, last: readonly Command[]): Promise<readonly unknown[] | undefined> {
    const { store } = this.#options;
    const shards = new Set([...before, ...entries, ...after, ...last].map(([, key]) => store.tagOf(String(key))));
    const lossCheck = this.#session.lossCheck([...shards]);
    const { redirects } = store; // a later redirect means that a master was replaced, which may have lost writes
    if (store.isSingleRedis) {
      const answers = await this.#write([...before, ...entries, ...after, ...last, ...lossCheck]);
      return answers?.slice(answers.length - lossCheck.length - last.length);
    }
    for (const commands of [before, entries, after]) if (!(await this.#run(commands))) return undefined;
    return this.#write([...last, ...lossCheck], redirects);
  }

  /**
   * Runs commands that end with a loss check (write counters, lease). Returns undefined if writes are missing and another session has begun.
   * While the link is down it returns the answers, because the next session writes everything.
   */
  async #write(commands: readonly Command[], redirects = this.#options.store.redirects): Promise<readonly unknown[] | undefined> {
    const { store } = this.#options;
    const session = this.#session;
    const sentAt = performance.now(); // a process that was suspended meanwhile reads the answer late
    const answers = await this.#run(commands);
    if (!answers) return undefined;
    if (session.isIntact(commands, answers) && store.redirects === redirects) {
      session.renewedAt = sentAt;
      return answers;
    }
    if (!this.#options.status.isUp) return answers; // another session begins after the outage
    await this.#restart();
    return undefined;
  }

  /** Runs commands. If a key has an unexpected type, deletes it, begins another session and returns undefined. */
  async #run(commands: readonly Command[]): Promise<readonly unknown[] | undefined> {
    const { store, status } = this.#options;
    try {
      return await store.run(commands);
    } catch (error) {
      if (!(error instanceof WrongTypeError) || !status.isUp) throw error;
      await this.#delete(error);
      await this.#restart();
      return undefined;
    }
  }

  async #delete({ key }: WrongTypeError): Promise<void> {
    await this.#markPartial();
    await this.#options.store.run([['del', key]]);
    this.#options.events.entriesRepaired([key]);
  }

  async #restart(): Promise<void> {
    const silentMs = performance.now() - this.#session.renewedAt;
    this.#options.peers.doubtAll();
    const hadLease = await this.#begin();
    this.#options.events.sessionRestarted({ hadEnded: !hadLease, silentMs });
  }

  /** Begins a session, and returns whether the one before had a lease until then. */
  async #begin(): Promise<boolean> {
    const { store, keys, sweeper } = this.#options;
    const old = this.#session;
    await this.#beginSession();
    this.#verifier = this.#newVerifier();
    if (old.n === 0) return false;
    const [deleted] = await store.run([['del', keys.lease(old.incarnation)]]);
    sweeper.schedule(old.incarnation);
    return deleted === 1;
  }

  async #beginSession(): Promise<void> {
    for (;;) {
      try {
        return await this.#options.registration.begin({ version: ++this.#version, watches: this.#ownWatches });
      } catch (error) {
        if (!(error instanceof WrongTypeError)) throw error;
        await this.#delete(error);
      }
    }
  }

  /** Makes the verifier of a session. */
  #newVerifier(): Verifier {
    return new Verifier(this.#options);
  }

  /** Runs tasks one after the other, so that writes keep their order. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#tail.then(task, task);
    this.#tail = result;
    return result;
  }
}

/** Returns the topics and connections to write again; all topics if their index differs, and all connections if their records do. */
function writeSetOf(differences: readonly Difference[], local: LocalState): WriteSet {
  const everything = everythingIn(local);
  const parts = differences.map(({ part }) => part);
  const topics = new Set(parts.flatMap((part) => (typeof part === 'object' && 'topic' in part ? part.topic : [])));
  const connections = new Set(parts.flatMap((part) => (typeof part === 'object' && 'connection' in part ? part.connection : [])));
  return {
    topics: parts.includes('topics') ? everything.topics : [...topics].map((topic) => [topic, local.members(topic).keys()]),
    connections: parts.includes('records') ? everything.connections : connections,
    moved: () => Infinity,
  };
}

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
