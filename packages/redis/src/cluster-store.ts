import type { Redis } from 'ioredis';
import { checked, checkedReads, errorIn, type Command } from './redis-connection.ts';
import type { RedisAddress } from './options.ts';
import { Shard } from './shard.ts';
import { addressOf, parseAddress, SlotMap, slotOf, type Address } from './slots.ts';
import { countsIn, textsIn } from './single-store.ts';
import type { Publishing, Store, StoreObserver, StoreOptions } from './store.ts';
import { unavailable } from './unavailable.ts';

export interface ClusterStoreOptions extends StoreOptions {
  readonly seeds: readonly RedisAddress[];
  /** Maps the addresses that the cluster announces to those that this process reaches. */
  readonly natMap: Readonly<Record<Address, RedisAddress>>;
}

/** Commands follow their slot this often. */
const MAX_REDIRECTS = 16;
const RETRY_MS = 100;
/** Channels per turn of the event loop: SSUBSCRIBE takes the channels of one slot, so it is sent for each. */
const SLICE = 500;

/**
 * A Redis Cluster: for each master a connection for commands and one that listens, which is sharded pub/sub's only way to be
 * sure of an acknowledgement. Commands and messages follow their slots when those move; a master that is lost is an outage
 * of its slots. Classic channels belong to no slot: there it is one of all.
 */
export class ClusterStore implements Store {
  readonly isOne = false;
  redirects = 0;
  readonly #options: ClusterStoreOptions;
  readonly #observer: StoreObserver;
  readonly #shards = new Map<Address, Shard>();
  /** Shards that are not masters any more. */
  readonly #leaving = new Set<Shard>();
  #slots: SlotMap | undefined;
  /** Whether Redis has sharded pub/sub, since 7.0. Undefined until that is known. */
  #isSharded: boolean | undefined;
  #isReady = false;
  #isClosed = false;
  #learning: Promise<void> | undefined;
  /** The last batch to each shard. */
  readonly #publishing = new Map<Shard, Promise<unknown>>();
  /** After slots have moved: settles when the messages published before that are delivered. */
  #followed: Promise<unknown> = Promise.resolve();
  #moved: NodeJS.Timeout | undefined;

  constructor(options: ClusterStoreOptions, observer: StoreObserver) {
    this.#options = options;
    this.#observer = observer;
    void this.#recover();
  }

  async run(commands: readonly Command[]): Promise<readonly unknown[]> {
    return checked(commands, await this.#follow(commands));
  }

  async read(commands: readonly Command[]): Promise<readonly unknown[]> {
    return checkedReads(commands, await this.#follow(commands));
  }

  /** Publishes one batch after the other to each shard: a batch that has to follow its slot must not be overtaken. */
  async publish(posts: readonly Publishing[]): Promise<readonly (Error | undefined)[]> {
    const [[first]] = posts as [Publishing];
    const shard = this.#shardOf(first);
    const publish = async (): Promise<readonly (Error | undefined)[]> => {
      const replies = await this.#follow(posts.map(([channel, frame]) => [this.#isSharded ? 'spublish' : 'publish', channel, frame]));
      return replies.map(errorIn);
    };
    const published = (this.#publishing.get(shard) ?? this.#followed).then(publish, publish);
    this.#publishing.set(shard, published);
    return published;
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    if (!this.#isSharded) return this.#classicShard().listen('subscribe', ...channels);
    for (let i = 0; i < channels.length; i += SLICE) {
      await Promise.all(channels.slice(i, i + SLICE).map((channel) => this.#subscribe(channel)));
    }
  }

  async unsubscribe(channels: readonly string[]): Promise<void> {
    if (!this.#isSharded) return this.#classicShard().listen('unsubscribe', ...channels);
    await Promise.all(channels.map((channel) => this.#shardOf(channel).listen('sunsubscribe', channel)));
  }

  async listeners(channels: readonly string[]): Promise<readonly number[]> {
    if (!this.#isSharded) return this.#classicListeners(channels);
    // Each is asked where its slot is, which no key of the command tells.
    const asked = await Promise.all(
      channels.map(async (channel) => {
        const [reply] = await this.#shardOf(channel).commands.run([['pubsub', 'shardnumsub', channel]]);
        return reply instanceof Error ? 0 : (countsIn(reply, [channel])[0] ?? 0);
      }),
    );
    return asked;
  }

  /** Also detects moved slots: a shard without this node's subscriptions does not report them, and others look for its marks there. */
  async ping(): Promise<void> {
    const ready = [...this.#shards.values()].filter(({ isReady }) => isReady);
    await Promise.all([this.#learn(), ...ready.map(({ subscriber }) => subscriber.within('PING', subscriber.redis.ping()))]);
  }

  async memory(): Promise<readonly string[]> {
    const ready = [...this.#shards.values()].filter(({ isReady }) => isReady);
    return textsIn((await Promise.all(ready.map(({ commands }) => commands.run([['info', 'memory']])))).flat());
  }

  tags(): readonly string[] {
    return [...(this.#slots?.tags.values() ?? [])];
  }
  tagOf(key: string): string {
    return this.#slots?.tags.get(this.#slots.ownerOf(key) ?? '') ?? '';
  }
  slotOf(key: string): number {
    return slotOf(key);
  }

  close(): void {
    this.#isClosed = true;
    this.#isReady = false;
    clearTimeout(this.#moved);
    for (const shard of [...this.#shards.values(), ...this.#leaving]) shard.close();
    this.#shards.clear();
    this.#leaving.clear();
  }

  /** Commands by master, in their order; those whose slot is elsewhere are sent there, as often as it takes. */
  async #follow(commands: readonly Command[]): Promise<readonly unknown[]> {
    const replies: unknown[] = Array.from({ length: commands.length });
    let left = commands.map((command, at) => ({ command, at }));
    for (let tries = 0; left.length > 0; tries++) {
      const groups = new Map<Shard, typeof left>();
      for (const each of left) {
        const shard = this.#shardOf(String(each.command[1]));
        const group = groups.get(shard);
        if (group) group.push(each);
        else groups.set(shard, [each]);
      }
      await Promise.all(
        [...groups].map(async ([shard, group]) => {
          const answers = await shard.commands.run(group.map(({ command }) => command));
          group.forEach(({ at }, i) => (replies[at] = answers[i]));
        }),
      );
      const asking = left.filter(({ at }) => redirection(replies[at]) === 'ASK');
      for (const { command, at } of asking) replies[at] = await this.#ask(command, replies[at] as Error);
      left = left.filter(({ at }) => redirection(replies[at]) !== undefined);
      // Acknowledged writes move along with a migrated slot; they may be lost with a replaced master.
      if (left.some(({ at }) => redirection(replies[at]) === 'MOVED')) this.redirects++;
      if (left.length === 0 || tries >= MAX_REDIRECTS) break;
      if (tries > 0) await pause(RETRY_MS);
      await this.#learn();
    }
    return replies;
  }

  /** A slot that is being moved: this key is at its new place already, and only this once. */
  async #ask(command: Command, refusal: Error): Promise<unknown> {
    const address = refusal.message.split(' ')[2] ?? '';
    const shard = this.#shards.get(address);
    if (!shard) return refusal;
    const [, answer] = await shard.commands.run([['asking'], command]);
    return answer;
  }

  async #subscribe(channel: string): Promise<void> {
    for (let tries = 0; ; tries++) {
      try {
        return await this.#shardOf(channel).listen('ssubscribe', channel);
      } catch (error) {
        if (redirection((error as Error).cause) === undefined || tries >= MAX_REDIRECTS) throw error;
        if (tries > 0) await pause(RETRY_MS);
        await this.#learn();
      }
    }
  }

  #shardOf(key: string): Shard {
    const shard = this.#shards.get(this.#slots?.ownerOf(key) ?? '');
    if (!shard) throw unavailable(`No master is known for slot ${slotOf(key)}.`);
    return shard;
  }

  #classicShard(): Shard {
    const shard = this.#shards.get([...this.#shards.keys()].sort()[0] ?? '');
    if (!shard) throw unavailable('No master is known.');
    return shard;
  }

  /** Classic messages go to all masters, but each knows only its own listeners. */
  async #classicListeners(channels: readonly string[]): Promise<readonly number[]> {
    if (channels.length === 0) return [];
    const all = await Promise.all(
      [...this.#shards.values()].map(async ({ commands }) =>
        countsIn((await commands.run([['pubsub', 'numsub', ...channels]]))[0], channels),
      ),
    );
    return channels.map((_channel, i) => all.reduce((sum, counts) => sum + (counts[i] ?? 0), 0));
  }

  /** Until everything is connected. */
  async #recover(): Promise<void> {
    while (!this.#isClosed && !this.#isReady) {
      try {
        await this.#learn();
        if (this.#isWhole()) {
          this.#isReady = true;
          return this.#observer.ready();
        }
      } catch (error) {
        this.#observer.lost(error as Error);
      }
      await pause(RETRY_MS);
    }
  }

  #isWhole(): boolean {
    return this.#slots?.isWhole === true && [...this.#slots.masters].every((address) => this.#shards.get(address)?.isReady);
  }

  /** Reads which master has which slot; concurrent callers share one query. @throws HublineError where no master answers */
  #learn(): Promise<void> {
    return (this.#learning ??= this.#askForSlots().finally(() => (this.#learning = undefined)));
  }

  async #askForSlots(): Promise<void> {
    const [reply, asked] = await this.#fromAnybody(['cluster', 'slots']);
    if (this.#isSharded === undefined) {
      const [[known]] = (await this.#fromAnybody(['command', 'info', 'spublish'])) as [[unknown], RedisAddress];
      this.#isSharded = Boolean(known);
    }
    const slots = new SlotMap(reply, asked);
    if (this.#isClosed || !slots.isWhole) return;
    const opened = [...slots.masters].filter((address) => !this.#shards.has(address)).map((address) => this.#open(address));
    // New masters take a moment to connect; until then the others redirect.
    const until = performance.now() + this.#options.timeoutMs;
    while (!opened.every(({ isReady }) => isReady) && !this.#isClosed && performance.now() < until) await pause(RETRY_MS / 10);
    const isNews = this.#slots !== undefined && !slots.equals(this.#slots);
    this.#slots = slots;
    if (isNews) {
      // Without their results, which would be kept for ever, each in that of the next change.
      this.#followed = Promise.allSettled([this.#followed, ...this.#publishing.values()]).then(() => undefined);
      this.#publishing.clear();
    }
    for (const [address, shard] of this.#shards) {
      if (slots.masters.has(address)) continue;
      this.#shards.delete(address);
      this.#leaving.add(shard);
      // Commands in flight still get their answers.
      setTimeout(() => this.#leaving.delete(shard) && shard.close(), this.#options.timeoutMs).unref();
    }
    if (isNews) this.#observer.moved(performance.now());
  }

  /** The reply of the first known master that answers. */
  async #fromAnybody(command: Command): Promise<readonly [reply: unknown, asked: RedisAddress]> {
    for (const [address, { commands }] of this.#shards) {
      const [reply] = await commands.run([command]).catch(() => []); // another master may answer
      if (reply !== undefined && !(reply instanceof Error)) return [reply, parseAddress(address)];
    }
    let cause: unknown;
    for (const seed of this.#options.seeds) {
      const redis = this.#options.clientFor('commands', this.#options.natMap[addressOf(seed)] ?? seed);
      try {
        return [await once(redis, command, this.#options.timeoutMs), seed];
      } catch (error) {
        cause = error;
      } finally {
        redis.disconnect();
      }
    }
    throw unavailable('No node of the Redis Cluster answers.', cause);
  }

  #open(address: Address): Shard {
    const { clientFor, timeoutMs, natMap } = this.#options;
    const at = natMap[address] ?? parseAddress(address);
    const shard = new Shard({
      clientFor: (role) => clientFor(role, at),
      timeoutMs,
      ready: () => undefined, // looked for in #recover
      lost: (cause) => {
        if (this.#shards.get(address) !== shard) return;
        const slots = this.#isSharded ? this.#slots?.slotsOf(address) : undefined;
        if (slots?.length !== 0) this.#lose(cause, slots); // with none it is new, and not used yet
      },
      message: (channel, frame) => this.#observer.message(channel, frame),
      moved: () => this.#letGo(),
    });
    this.#shards.set(address, shard);
    return shard;
  }

  #lose(cause: Error, slots?: readonly number[]): void {
    const isLookedFor = !this.#isReady;
    this.#isReady = false;
    this.#observer.lost(cause, slots);
    if (!isLookedFor) void this.#recover();
  }

  /** Redis reports each channel that it unsubscribes: handles all of them once. */
  #letGo(): void {
    const since = performance.now();
    this.#moved ??= setTimeout(() => {
      this.#moved = undefined;
      this.#learn().then(
        () => this.#observer.moved(since),
        (error: unknown) => this.#lose(error as Error),
      );
    }, RETRY_MS).unref();
  }
}

function redirection(reply: unknown): 'MOVED' | 'ASK' | undefined {
  if (!(reply instanceof Error)) return undefined;
  if (reply.message.startsWith('MOVED ')) return 'MOVED';
  return reply.message.startsWith('ASK ') ? 'ASK' : undefined;
}

/** Runs one command on a connection of its own. */
function once(redis: Redis, [name, ...args]: Command, timeoutMs: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    let cause: Error = unavailable('Redis did not answer in time.');
    const timer = setTimeout(() => reject(cause), timeoutMs).unref();
    redis.on('error', (error) => (cause = error));
    redis.once('ready', () => void redis.call(name, ...args).then(resolve, reject));
    redis.once('close', () => {
      clearTimeout(timer);
      reject(cause);
    });
  });
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms).unref());
