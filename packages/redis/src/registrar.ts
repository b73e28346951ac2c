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
  /** Takes away what an attempt to register has left. */
  readonly clean: (incarnation: Incarnation) => Promise<void>;
  /** This incarnation has been left behind. */
  readonly over: (old: Incarnation) => void;
  /** The lease was over, or what was written is lost: everything is registered under another incarnation. */
  readonly reborn: (silentMs: number) => void;
  /** These keys did not hold what was written, and do again. */
  readonly repaired: (keys: readonly string[]) => void;
  /** Redis refused to write: what it has is not what is here. */
  readonly failed: (error: unknown) => void;
}

/**
 * Writes what this process has under its incarnation, one flush in flight at a time, and keeps its lease. What shows that the
 * lease was over or that writes are lost makes the next incarnation, under which everything is written anew.
 */
export class Registrar {
  readonly #options: RegistrarOptions;
  readonly #watches = new Map<Topic, number>();
  /** The number in force, and the last one that was tried. */
  #n = 0;
  #tried = 0;
  #version = 0;
  #dirty = new Dirty();
  #open: Promise<Flush> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  /** What is said of the watches of this incarnation. */
  #watched: string | undefined;
  /** The version of the last flush that is written whole. */
  #flushed = 0;
  /** What the counter of each shard said last. */
  #writes = new Map<string, number>();
  #renewedAt = 0;
  /** Settles when the link for which this process registered last is up, or lost. */
  #entered: Promise<void> = Promise.resolve();
  #renewing: Promise<void> | undefined;
  #isBehind = false;
  /** The last attempt to register was refused: what it has written is taken away, and its number taken again. */
  #isRefused = false;

  constructor(options: RegistrarOptions) {
    this.#options = options;
  }

  get incarnation(): Incarnation {
    return incarnationOf(this.#options.self.process, this.#n);
  }
  /** Whether something that this process has is not written. */
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

  /** Renews the lease and looks whether everything written is still there. */
  async beat(): Promise<void> {
    await this.#inTurn(async () => {
      const { store, keys, nodeTimeoutMs, reaches } = this.#options;
      if (!reaches(keys.registry)) return;
      const tags = store.tags().filter((tag) => reaches(keys.writes(this.incarnation, tag)));
      const keep = tags.map((tag): Command => ['pexpire', keys.writes(this.incarnation, tag), 4 * nodeTimeoutMs]);
      const isAlive = await this.#write([...this.#pulse(this.incarnation, tags), ...keep]);
      if (isAlive && this.#options.isUp()) await this.#verify();
    });
  }

  /** Looks whether a slice of what was written is still there, and writes what differs. */
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
    const { store, keys, self, local, nodeTimeoutMs } = this.#options;
    const { incarnation } = this;
    await store.run([...wrong].map((key): Command => ['del', key]));
    const last: Command[] = [];
    if (isRegistryLost) last.push(['hset', keys.registry, incarnation, encodeNode(self)]);
    if (isLeaseLost) last.push(['set', keys.lease(incarnation), LEASE.alive, 'PX', nodeTimeoutMs]);
    if (isVersionLost) last.push(['set', keys.flushed(incarnation), this.#flushed]);
    if (areWatchesLost) last.push(...this.#watchWriting(this.#watches.keys(), ++this.#version));
    for (const writing of writingsOf(dirt, { keys, incarnation, local })) {
      if (!(await this.#writeStages(writing, []))) return; // everything was written anew
    }
    await this.#run(last);
  }

  #watchWriting(changed: Iterable<Topic>, version: number): readonly Command[] {
    const { keys } = this.#options;
    const commands = watchWritingOf({ changed, held: this.#watches, version }, keys, this.incarnation);
    if (commands.length > 0) this.#watched = watchedIn(commands);
    return commands;
  }

  /**
   * Registers everything under a new incarnation; the old one, whatever is left of it, is over. What changes after that waits
   * for `entered`. @throws HublineError
   */
  register(entered: Promise<void>): Promise<void> {
    return this.#inTurn(async () => {
      await this.#register();
      this.#entered = entered;
    });
  }

  /** A reader has found that the lease of this incarnation is over: everything is registered under another one, at once. */
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

  /** The counters on the shards of these commands. On a single Redis the lease is on the one that there is. */
  counters(commands: readonly Command[]): readonly Command[] {
    const { store, keys } = this.#options;
    if (store.isOne) return [];
    const tags = new Set(commands.map(([, key]) => store.tagOf(String(key))));
    const counters = [...tags].map((tag) => keys.writes(this.incarnation, tag));
    return counters.filter((key) => this.#writes.has(key)).map((key) => ['get', key]);
  }

  /** After the flush in flight. */
  async settle(): Promise<void> {
    await this.#last.catch(() => undefined); // told to whoever asked for it
  }

  /** What is written goes by an index, and counts by a lease, which are on one shard each. */
  get #canWrite(): boolean {
    const { keys, reaches, isRefused } = this.#options;
    return !isRefused() && reaches(keys.registry) && reaches(keys.topics(this.incarnation));
  }

  async #flush(): Promise<Flush> {
    const dirty = this.#dirty;
    this.#dirty = new Dirty();
    const version = ++this.#version;
    // Too late for the registration: others see this incarnation already, and watchers would never hear of it.
    await this.#entered;
    // Again, where a shard is lost meanwhile: the others get their part.
    for (let tries = 0; tries < 2 && this.#canWrite; tries++) {
      try {
        return { version, watched: (await this.#writeDirty(dirty, version)) ?? dirty.touched };
      } catch (error) {
        this.#options.failed(error);
      }
    }
    this.#isBehind = true;
    // While it is down nobody can ask who watches, and everything is written when the link is back.
    return { version, watched: dirty.touched };
  }

  /** The touched topics that are watched; undefined where nobody knows, because everything had to be written anew. */
  async #writeDirty(dirty: Dirty, version: number): Promise<ReadonlySet<Topic> | undefined> {
    const { keys, reaches, watchers } = this.#options;
    const { incarnation } = this;
    // What is not reached is written with everything else when it is back.
    const dirt = dirty.asDirt((topic) => reaches(keys.counts(topic)));
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

  /** The answers to what comes last. On one Redis all of it is one trip: it does things in their order. */
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

  /** Commands that end with a pulse. Undefined where the pulse has stopped, and a new life has begun. */
  async #write(commands: readonly Command[], redirects = this.#options.store.redirects): Promise<readonly unknown[] | undefined> {
    const { store } = this.#options;
    const sentAt = performance.now(); // a process that is frozen meanwhile reads the answer late
    const answers = await this.#run(commands);
    if (!answers) return undefined;
    if (this.#hasPulse(this.incarnation, commands, answers) && store.redirects === redirects) {
      this.#renewedAt = sentAt;
      return answers;
    }
    if (!this.#options.isUp()) return answers; // there will be another life when all shards are back
    await this.#renew();
    return undefined;
  }

  /** Undefined where a key was of a type that none of our commands makes: it is deleted, and everything is written anew. */
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

  /** Whether it has worked: it may take longer than the lease, or a master may be replaced meanwhile. */
  async #registerAs(incarnation: Incarnation): Promise<boolean> {
    const { store, keys, self, local, nodeTimeoutMs } = this.#options;
    const { redirects } = store;
    const version = ++this.#version;
    const keep: Command = ['set', keys.lease(incarnation), LEASE.registering, 'PX', nodeTimeoutMs];
    await store.run([keep, ['hset', keys.registry, incarnation, encodeNode(self)]]);
    for (const { before, entries } of writingsOf(everythingIn(local), { keys, incarnation, local })) {
      // In trips, of which none outlasts the lease or any time limit.
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

  /** One thing at a time: what is written later is written after. */
  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const result = this.#last.then(task, task);
    this.#last = result;
    return result;
  }
}

/** What is said of the watches last; undefined where there are none. */
const watchedIn = (commands: readonly Command[]): string | undefined =>
  commands.findLast(([name]) => name === 'hset')?.[3] as string | undefined;

const endOfTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
