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
 * Writes this process's memberships in its session, one flush in flight at a time, and renews its lease. Where the lease has ended or
 * writes are lost, it begins another session, which writes everything again.
 */
export class DirectoryWriter {
  readonly #options: DirectoryWriterOptions;
  readonly #watchers: Watchers;
  #verifier: Verifier;
  readonly #watches = new Map<Topic, number>();
  #version = 0;
  #dirty = new DirtySet();
  #open: Promise<Flush> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** Settles when the link for which this process registered last is up, or lost. */
  #entered: Promise<void> = Promise.resolve();
  #restarting: Promise<void> | undefined;
  /** The heartbeat that is in flight, or waits for its turn. */
  #renewal: Promise<void> | undefined;

  constructor(options: DirectoryWriterOptions) {
    this.#options = options;
    this.#watchers = new Watchers(options);
    this.#verifier = this.#newVerifier();
  }

  get #session(): Session {
    return this.#options.registration.session;
  }
  /** The flushes so far. */
  get version(): number {
    return this.#version;
  }

  changed(change: Change): Promise<Flush> {
    this.#dirty.add(change);
    return (this.#open ??= this.#inTurn(async () => {
      await endOfTurn();
      await this.#options.status.settled;
      this.#open = undefined;
      return this.#flush();
    }));
  }

  async watch(topic: Topic): Promise<WatchLease> {
    const hold = async (by: 1 | -1): Promise<void> => {
      const holders = (this.#watches.get(topic) ?? 0) + by;
      if (holders > 0) this.#watches.set(topic, holders);
      else this.#watches.delete(topic);
      this.#dirty.watches.add(topic);
      await this.changed({ topics: [], connections: [] });
    };
    await hold(1);
    let closed: Promise<void> | undefined;
    return { close: () => (closed ??= hold(-1)) };
  }

  /**
   * Renews the lease, and checks that everything written is still there. One at a time, however slow the link is: queued
   * heartbeats would delay every flush.
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

  /** Verifies a slice of what was written, and writes what differs again. */
  async #verify(): Promise<void> {
    const { incarnation, watched, flushed } = this.#session;
    const differences = await this.#verifier.verify({
      incarnation,
      watches: this.#watches,
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
    const undeleted = new Set(differences.flatMap(({ key, mustDelete }) => (mustDelete ? key : [])));
    // Each key is deleted right before it is written, in the same trip: a reader should not find it empty.
    const replacing = (commands: readonly Command[]): Command[] =>
      commands.flatMap((command): Command[] => {
        const key = String(command[1]);
        return undeleted.delete(key) ? [['del', key], command] : [command];
      });
    for (const { before, entries, after } of writingsOf(writeSetOf(differences, local), { keys, incarnation, local })) {
      const writing = { before: replacing(before), entries: replacing(entries), after: replacing(after) };
      if (!(await this.#writeStages(writing, []))) return; // everything was written anew
    }
    const last: Command[] = [];
    if (differs('registry')) last.push(['hset', keys.registry, incarnation, encodeNode(self)]);
    if (differs('version')) last.push(['set', keys.flushed(incarnation), session.flushed]);
    if (differs('watches')) last.push(...this.#watchWriting(this.#watches.keys(), ++this.#version));
    const replaced = replacing(last);
    const unused = [...undeleted].map((key): Command => ['del', key]); // nothing belongs there
    if (!(await this.#run([...replaced, ...unused]))) return;
    await this.#run([session.whole(), ...(differs('lease') ? [session.lease('alive')] : [])]);
  }

  async #markPartial(): Promise<void> {
    await this.#options.store.run([this.#session.partial()]);
  }

  #watchWriting(changed: Iterable<Topic>, version: number): readonly Command[] {
    const { incarnation } = this.#session;
    const commands = watchWritingOf({ changed, held: this.#watches, version }, this.#options.keys, incarnation);
    if (commands.length > 0) this.#session.watched = watchedIn(commands);
    return commands;
  }

  /** Begins a session after an outage. Later changes wait for `entered`. @throws HublineError */
  register(entered: Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      await this.#begin();
      this.#entered = entered;
    });
  }

  /** Begins a session at once, after a reader has found that the lease of this one has ended. */
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

  /** Resolves after the flush in flight. */
  async settle(): Promise<void> {
    await this.#last.catch(() => undefined); // the caller of the flush gets the error
  }

  /** Whether this process can write: entries need the index of their incarnation and its lease, which are on one shard each. */
  get #canWrite(): boolean {
    const { keys, availability, status } = this.#options;
    return status.outage !== 'refused' && availability.has(keys.registry) && availability.has(keys.topics(this.#session.incarnation));
  }

  async #flush(): Promise<Flush> {
    const { status, events } = this.#options;
    const dirty = this.#dirty;
    this.#dirty = new DirtySet();
    const version = ++this.#version;
    // Waits until the link is up: a change after the registration would otherwise reach no watcher.
    await this.#entered;
    // A second try where a shard is lost meanwhile: the other shards get their part.
    for (let tries = 0; tries < 2 && this.#canWrite; tries++) {
      try {
        return { version, watched: (await this.#writeDirty(dirty, version)) ?? dirty.touched };
      } catch (error) {
        this.#options.events.writeFailed(error);
      }
    }
    this.#session.isPartial = true;
    if (status.outage === 'refused') await this.#markPartial().catch((error: unknown) => events.writeFailed(error)); // unless that is refused too
    // During an outage the watches cannot be read; everything is written when the link is back.
    return { version, watched: dirty.touched };
  }

  /** Writes the changes, and returns the touched topics that are watched; undefined where everything had to be written anew. */
  async #writeDirty(dirty: DirtySet, version: number): Promise<ReadonlySet<Topic> | undefined> {
    const { keys, availability, local } = this.#options;
    const session = this.#session;
    const { incarnation } = session;
    // Topics on unreachable shards are written with everything else when the link is back.
    const writeSet = dirty.asWriteSet(
      (topic) => availability.has(keys.counts(topic)),
      () => this.#dirty,
    );
    const watches = this.#watchWriting(dirty.watches, version);
    const ask: Command = ['hgetall', keys.watched];
    const last: readonly Command[] = [...watches, ['set', keys.flushed(incarnation), version], ask];
    const writings = writingsOf(writeSet, { keys, incarnation, local });
    for (let next = writings.next(); !next.done;) {
      const writing: Writing = next.value;
      next = writings.next();
      const answers = await this.#writeStages(writing, next.done ? last : []);
      if (!answers) return undefined;
      if (!next.done) continue;
      session.flushed = version;
      return this.#watchers.among(dirty.touched, { listed: answers[last.indexOf(ask)], own: incarnation, held: this.#watches });
    }
    return undefined;
  }

  /** Writes the stages, and returns the answers to `last`. On a single Redis, which keeps the order, all of it is one trip. */
  async #writeStages({ before, entries, after }: Writing, last: readonly Command[]): Promise<readonly unknown[] | undefined> {
    const { store } = this.#options;
    const shards = new Set([...before, ...entries, ...after, ...last].map(([, key]) => store.tagOf(String(key))));
    const lossCheck = this.#session.lossCheck([...shards]);
    const { redirects } = store;
    if (store.isOne) {
      const answers = await this.#write([...before, ...entries, ...after, ...last, ...lossCheck]);
      return answers?.slice(answers.length - lossCheck.length - last.length);
    }
    for (const commands of [before, entries, after]) if (!(await this.#run(commands))) return undefined;
    return this.#write([...last, ...lossCheck], redirects);
  }

  /** Runs commands that end with a loss check (write counters, lease). Undefined where that showed a loss, and another session has begun. */
  async #write(commands: readonly Command[], redirects = this.#options.store.redirects): Promise<readonly unknown[] | undefined> {
    const { store } = this.#options;
    const session = this.#session;
    const sentAt = performance.now(); // a process that was frozen meanwhile reads the answer late
    const answers = await this.#run(commands);
    if (!answers) return undefined;
    if (session.isIntact(commands, answers) && store.redirects === redirects) {
      session.renewedAt = sentAt;
      return answers;
    }
    if (!this.#options.status.isUp) return answers; // the next session begins when all shards are back
    await this.#restart();
    return undefined;
  }

  /** Runs commands. Undefined where a key had a type that no node writes: the key is deleted, and everything is written anew. */
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

  /** Begins a session, and returns whether the one before still had its lease. */
  async #begin(): Promise<boolean> {
    const { store, keys, sweeper } = this.#options;
    const old = this.#session;
    await this.#register();
    this.#verifier = this.#newVerifier();
    if (old.n === 0) return false;
    const [deleted] = await store.run([['del', keys.lease(old.incarnation)]]);
    sweeper.schedule(old.incarnation);
    return deleted === 1;
  }

  async #register(): Promise<void> {
    for (;;) {
      try {
        return await this.#options.registration.begin({ version: ++this.#version, watches: this.#watches });
      } catch (error) {
        if (!(error instanceof WrongTypeError)) throw error;
        await this.#delete(error);
      }
    }
  }

  /** Each session is verified from its beginning. */
  #newVerifier(): Verifier {
    return new Verifier(this.#options);
  }

  /** Runs tasks one after the other, so that later writes come after earlier ones. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    this.#last = result;
    return result;
  }
}

/** The topics and connections that differ; without their index or their records, all of them. */
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
