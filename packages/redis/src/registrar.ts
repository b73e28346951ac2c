import type { Change, Flush, Local, NodeInfo, Topic, WatchLease } from '@hubline/server/backplane';
import { Dirty } from './dirty.ts';
import { everythingIn, watchWritingOf, writingsOf, type Writing } from './entries.ts';
import { incarnationOf, type Incarnation, type Keys } from './keys.ts';
import { isRefusal, WrongTypeError, type Command } from './redis-connection.ts';
import type { Store } from './store.ts';
import { encodeNode, LEASE } from './values.ts';
import type { Differences, Verifier } from './verifier.ts';
import type { Watchers } from './watchers.ts';

export interface RegistrarOptions {
  readonly self: NodeInfo;
  readonly local: Local;
  readonly store: Store;
  readonly keys: Keys;
  readonly watchers: Watchers;
  readonly verifier: Verifier;
  readonly nodeTimeoutMs: number;
  readonly isUp: () => boolean;
  /** Whether Redis has refused what this process writes. */
  readonly isRefused: () => boolean;
  /** Whether a key can be used. */
  readonly reaches: (key: string) => boolean;
  /** Settles when it is known whether Redis can be reached. */
  readonly settled: () => Promise<unknown>;
  /** Deletes the keys of a failed registration. */
  readonly clean: (incarnation: Incarnation) => Promise<void>;
  /** Called when an incarnation is replaced by a new one. */
  readonly over: (old: Incarnation) => void;
  /** Called after everything was registered under a new incarnation, because the lease had ended or writes were lost. */
  readonly reborn: (silentMs: number) => void;
  /** Called when keys that differed from what was written are correct again. */
  readonly repaired: (keys: readonly string[]) => void;
  /** Called when a write failed: Redis does not have this node's current state. */
  readonly failed: (error: unknown) => void;
}

/**
 * Writes this process's memberships under its incarnation, one flush in flight at a time, and renews its lease. Where the lease
 * has ended or writes are lost, it starts a new incarnation, and writes everything again under that.
 */
export class Registrar {
  readonly #options: RegistrarOptions;
  readonly #watches = new Map<Topic, number>();
  /** The number of the current incarnation, and the last one that was tried. */
  #n = 0;
  #tried = 0;
  #version = 0;
  #dirty = new Dirty();
  #open: Promise<Flush> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** The value in {@link Keys.watched} for this incarnation. */
  #watched: string | undefined;
  /** The version of the last flush that was written completely. */
  #flushed = 0;
  /** The last value of each shard's write counter. */
  #writes = new Map<string, number>();
  #renewedAt = 0;
  /** Settles when the link for which this process registered last is up, or lost. */
  #entered: Promise<void> = Promise.resolve();
  #renewing: Promise<void> | undefined;
  /** The heartbeat that is in flight, or waits for its turn. */
  #beating: Promise<void> | undefined;
  #isBehind = false;
  /** Whether the last registration was refused: the next one deletes its keys and uses its number again. */
  #isRefused = false;

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  get incarnation(): Incarnation {
    return incarnationOf(this.#options.self.process, this.#n);
  }
  /** Whether some state of this process is not written yet. */
  get isBehind(): boolean {
    return this.#isBehind;
  }
  /** The flushes so far. */
  get version(): number {
    return this.#version;
  }

  changed(change: Change): Promise<Flush> {
    this.#dirty.add(change);
    return (this.#open ??= this.#inTurn(async () => {
      await endOfTurn();
      await this.#options.settled();
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
  beat(): Promise<void> {
    return (this.#beating ??= this.#inTurn(() => this.#renewLease()).finally(() => (this.#beating = undefined)));
  }

  async #renewLease(): Promise<void> {
    const { store, keys, nodeTimeoutMs, reaches } = this.#options;
    if (!reaches(keys.registry)) return;
    const tags = store.tags().filter((tag) => reaches(keys.writes(this.incarnation, tag)));
    const keep = tags.map((tag): Command => ['pexpire', keys.writes(this.incarnation, tag), 4 * nodeTimeoutMs]);
    const isAlive = await this.#write([...this.#pulse(this.incarnation, tags), ...keep]);
    if (isAlive && this.#options.isUp()) await this.#verify();
  }

  /** Verifies a slice of what was written, and writes what differs again. */
  async #verify(): Promise<void> {
    const { incarnation } = this;
    const differences = await this.#options.verifier.verify({
      incarnation,
      watches: this.#watches,
      watched: this.#watched,
      flushed: this.#flushed,
      unwritten: () => this.#dirty,
    });
    if (!differences) return;
    await this.#repair(differences);
    this.#options.repaired([...differences.keys]);
  }

  async #repair({ wrong, isRegistryLost, isLeaseLost, areWatchesLost, isVersionLost, dirt }: Differences): Promise<void> {
    const { keys, self, local, nodeTimeoutMs } = this.#options;
    const { incarnation } = this;
    if (wrong.size > 0) await this.#markPartial();
    const undeleted = new Set(wrong);
    // Each key is deleted right before it is written, in the same trip: a reader should not find it empty.
    const replacing = (commands: readonly Command[]): Command[] =>
      commands.flatMap((command): Command[] => {
        const key = String(command[1]);
        return undeleted.delete(key) ? [['del', key], command] : [command];
      });
    for (const { before, entries, after } of writingsOf(dirt, { keys, incarnation, local })) {
      const writing = { before: replacing(before), entries: replacing(entries), after: replacing(after) };
      if (!(await this.#writeStages(writing, []))) return; // everything was written anew
    }
    const last: Command[] = [];
    if (isRegistryLost) last.push(['hset', keys.registry, incarnation, encodeNode(self)]);
    if (isVersionLost) last.push(['set', keys.flushed(incarnation), this.#flushed]);
    if (areWatchesLost) last.push(...this.#watchWriting(this.#watches.keys(), ++this.#version));
    const replaced = replacing(last);
    const unused = [...undeleted].map((key): Command => ['del', key]); // nothing belongs there
    if (!(await this.#run([...replaced, ...unused]))) return;
    if (wrong.size > 0 || isLeaseLost) await this.#run([['set', keys.lease(incarnation), LEASE.alive, 'PX', nodeTimeoutMs, 'XX']]);
  }

  /** Before keys are deleted: answers of other nodes that read them meanwhile are incomplete. */
  async #markPartial(): Promise<void> {
    const { store, keys, nodeTimeoutMs } = this.#options;
    await store.run([['set', keys.lease(this.incarnation), LEASE.partial, 'PX', nodeTimeoutMs, 'XX']]);
  }

  #watchWriting(changed: Iterable<Topic>, version: number): readonly Command[] {
    const { keys } = this.#options;
    const commands = watchWritingOf({ changed, held: this.#watches, version }, keys, this.incarnation);
    if (commands.length > 0) this.#watched = watchedIn(commands);
    return commands;
  }

  /**
   * Registers everything under a new incarnation, which replaces the old one. Later changes wait for `entered`.
   * @throws HublineError
   */
  register(entered: Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      await this.#register();
      this.#entered = entered;
    });
  }

  /** Registers everything under a new incarnation at once, after a reader has found that the lease of this one has ended. */
  renew(incarnation: Incarnation): void {
    this.#renewing ??= this.#inTurn(async () => {
      this.#renewing = undefined;
      if (incarnation !== this.incarnation || !this.#options.isUp()) return;
      try {
        await this.#renew();
      } catch (error) {
        this.#options.failed(error);
      }
    });
  }

  /** Commands that read the write counters on the shards of these commands. On a single Redis the lease alone shows a loss. */
  counters(commands: readonly Command[]): readonly Command[] {
    const { store, keys } = this.#options;
    if (store.isOne) return [];
    const tags = new Set(commands.map(([, key]) => store.tagOf(String(key))));
    const counters = [...tags].map((tag) => keys.writes(this.incarnation, tag));
    return counters.filter((key) => this.#writes.has(key)).map((key) => ['get', key]);
  }

  /** Resolves after the flush in flight. */
  async settle(): Promise<void> {
    await this.#last.catch(() => undefined); // the caller of the flush gets the error
  }

  /** Whether this process can write: entries need the index of their incarnation and its lease, which are on one shard each. */
  get #canWrite(): boolean {
    const { keys, reaches, isRefused } = this.#options;
    return !isRefused() && reaches(keys.registry) && reaches(keys.topics(this.incarnation));
  }

  async #flush(): Promise<Flush> {
    const dirty = this.#dirty;
    this.#dirty = new Dirty();
    const version = ++this.#version;
    // Waits until the link is up: a change after the registration would otherwise reach no watcher.
    await this.#entered;
    // A second try where a shard is lost meanwhile: the other shards get their part.
    for (let tries = 0; tries < 2 && this.#canWrite; tries++) {
      try {
        return { version, watched: (await this.#writeDirty(dirty, version)) ?? dirty.touched };
      } catch (error) {
        this.#options.failed(error);
      }
    }
    this.#isBehind = true;
    // During an outage the watches cannot be read; everything is written when the link is back.
    return { version, watched: dirty.touched };
  }

  /** Writes the changes, and returns the touched topics that are watched; undefined where everything had to be written anew. */
  async #writeDirty(dirty: Dirty, version: number): Promise<ReadonlySet<Topic> | undefined> {
    const { keys, reaches, watchers } = this.#options;
    const { incarnation } = this;
    // Topics on unreachable shards are written with everything else when the link is back.
    const isReached = (topic: Topic): boolean => reaches(keys.counts(topic));
    const dirt = dirty.asDirt(isReached, () => this.#dirty);
    const watches = this.#watchWriting(dirty.watches, version);
    const ask: Command = ['hgetall', keys.watched];
    const last: readonly Command[] = [...watches, ['set', keys.flushed(incarnation), version], ask];
    const writings = writingsOf(dirt, { keys, incarnation, local: this.#options.local });
    for (let next = writings.next(); !next.done;) {
      const writing: Writing = next.value;
      next = writings.next();
      const answers = await this.#writeStages(writing, next.done ? last : []);
      if (!answers) return undefined;
      if (next.done) this.#flushed = version;
      if (next.done) return watchers.among(dirty.touched, { listed: answers[last.indexOf(ask)], own: incarnation, held: this.#watches });
    }
    return undefined;
  }

  /** Writes the stages, and returns the answers to `last`. On a single Redis, which keeps the order, all of it is one trip. */
  async #writeStages({ before, entries, after }: Writing, last: readonly Command[]): Promise<readonly unknown[] | undefined> {
    const { store } = this.#options;
    const shards = new Set([...before, ...entries, ...after, ...last].map(([, key]) => store.tagOf(String(key))));
    const pulse = this.#pulse(this.incarnation, [...shards]);
    const { redirects } = store;
    if (store.isOne) {
      const answers = await this.#write([...before, ...entries, ...after, ...last, ...pulse]);
      return answers?.slice(answers.length - pulse.length - last.length);
    }
    for (const commands of [before, entries, after]) if (!(await this.#run(commands))) return undefined;
    return this.#write([...last, ...pulse], redirects);
  }

  /** Runs commands that end with a pulse (write counters, lease). Undefined where that showed a loss, and a new incarnation has begun. */
  async #write(commands: readonly Command[], redirects = this.#options.store.redirects): Promise<readonly unknown[] | undefined> {
    const { store } = this.#options;
    const sentAt = performance.now(); // a process that was frozen meanwhile reads the answer late
    const answers = await this.#run(commands);
    if (!answers) return undefined;
    if (this.#hasPulse(this.incarnation, commands, answers) && store.redirects === redirects) {
      this.#renewedAt = sentAt;
      return answers;
    }
    if (!this.#options.isUp()) return answers; // a new incarnation begins when all shards are back
    await this.#renew();
    return undefined;
  }

  /** Runs commands. Undefined where a key had a type that no node writes: the key is deleted, and everything is written anew. */
  async #run(commands: readonly Command[]): Promise<readonly unknown[] | undefined> {
    const { store, isUp } = this.#options;
    try {
      return await store.run(commands);
    } catch (error) {
      if (!(error instanceof WrongTypeError) || !isUp()) throw error;
      await this.#delete(error);
      await this.#renew();
      return undefined;
    }
  }

  async #delete({ key }: WrongTypeError): Promise<void> {
    await this.#markPartial();
    await this.#options.store.run([['del', key]]);
    this.#options.repaired([key]);
  }

  async #renew(): Promise<void> {
    const silentMs = performance.now() - this.#renewedAt;
    await this.#register();
    this.#options.reborn(silentMs);
  }

  #pulse(incarnation: Incarnation, tags: readonly string[]): readonly Command[] {
    const { keys, nodeTimeoutMs } = this.#options;
    const counters = tags.map((tag): Command => ['incr', keys.writes(incarnation, tag)]);
    const lease: readonly Command[] =
      this.#isBehind && incarnation === this.incarnation ?
        [['set', keys.lease(incarnation), LEASE.partial, 'PX', nodeTimeoutMs, 'XX']]
      : [];
    // A Redis without memory refuses SET, and not PEXPIRE.
    return [...counters, ['pexpire', keys.lease(incarnation), nodeTimeoutMs], ...lease];
  }

  #hasPulse(incarnation: Incarnation, commands: readonly Command[], answers: readonly unknown[]): boolean {
    let isAlive = true;
    commands.forEach(([name, key], i) => {
      if (key === this.#options.keys.lease(incarnation) && !answers[i]) isAlive = false;
      if (name !== 'incr') return;
      const count = Number(answers[i]);
      if (count !== (this.#writes.get(String(key)) ?? 0) + 1) isAlive = false;
      this.#writes.set(String(key), count);
    });
    return isAlive;
  }

  async #register(): Promise<void> {
    const { self, clean } = this.#options;
    for (;;) {
      try {
        if (this.#isRefused) await clean(incarnationOf(self.process, this.#tried));
        else this.#tried++;
        this.#isRefused = false;
        if (await this.#registerAs(incarnationOf(self.process, this.#tried))) return;
      } catch (error) {
        this.#isRefused ||= isRefusal(error);
        if (!(error instanceof WrongTypeError)) throw error;
        await this.#delete(error);
      }
    }
  }

  /** Registers one incarnation. False where that took longer than the lease, or a master was replaced meanwhile. */
  async #registerAs(incarnation: Incarnation): Promise<boolean> {
    const { store, keys, self, local, nodeTimeoutMs } = this.#options;
    const { redirects } = store;
    const version = ++this.#version;
    const keep: Command = ['set', keys.lease(incarnation), LEASE.registering, 'PX', nodeTimeoutMs];
    await store.run([keep, ['hset', keys.registry, incarnation, encodeNode(self)]]);
    for (const { before, entries } of writingsOf(everythingIn(local), { keys, incarnation, local })) {
      // In trips that are each shorter than the lease and every time limit.
      const renewing: readonly Command[] = [...entries, [...keep, 'XX']];
      if (store.isOne) await store.run([...before, ...renewing]);
      else for (const commands of [before, renewing]) await store.run(commands);
    }
    const watches = watchWritingOf({ changed: this.#watches.keys(), held: this.#watches, version }, keys, incarnation);
    const watched = watchedIn(watches);
    const sentAt = performance.now();
    const lease: Command = ['set', keys.lease(incarnation), LEASE.alive, 'PX', nodeTimeoutMs, 'XX'];
    const last: Command[] = [...watches, ['set', keys.flushed(incarnation), version], ...this.#pulse(incarnation, store.tags()), lease];
    if (!this.#hasPulse(incarnation, last, await store.run(last)) || store.redirects !== redirects) return false;
    const left = this.incarnation;
    const isFirst = this.#n === 0;
    this.#n = this.#tried;
    this.#renewedAt = sentAt;
    this.#watched = watched;
    this.#flushed = version;
    this.#isBehind = false;
    for (const key of this.#writes.keys()) if (!key.endsWith(`:${incarnation}`)) this.#writes.delete(key);
    if (isFirst) return true;
    await store.run([['del', keys.lease(left)]]);
    this.#options.over(left);
    return true;
  }

  /** Runs tasks one after the other, so that later writes come after earlier ones. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    this.#last = result;
    return result;
  }
}

/** The last value written for the watches; undefined where the commands write none. */
const watchedIn = (commands: readonly Command[]): string | undefined =>
  commands.findLast(([name]) => name === 'hset')?.[3] as string | undefined;

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
