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

/** A command is redirected at most this many times. */
const MAX_REDIRECTS = 16;
const RETRY_MS = 100;
/** Channels that are subscribed at a time: SSUBSCRIBE takes channels of one slot only, so each channel needs a command of its own. */
const SLICE = 500;

/**
 * A Redis Cluster, with one connection for commands and one for subscriptions to each master. Commands and messages follow slots that
 * move. If a master is unreachable, its slots are unavailable. Without sharded pub/sub channels belong to no slot, so all slots are.
 */
export class ClusterStore implements Store {
  readonly isSingleRedis = false;
  redirects = 0;
  readonly #options: ClusterStoreOptions;
  readonly #observer: StoreObserver;
  readonly #shards = new Map<Address, Shard>();
  /** Shards that are no longer masters, until commands in flight are answered. */
  readonly #leaving = new Set<Shard>();
  #slots: SlotMap | undefined;
  /** Whether Redis has sharded pub/sub (7.0 and newer; Garnet lacks a part). Undefined until CLUSTER SLOTS was answered once. */
  #isSharded: boolean | undefined;
  #isReady = false;
  #isClosed = false;
  #readingSlots: Promise<void> | undefined;
  /** The last batch to each shard. */
  readonly #publishing = new Map<Shard, Promise<unknown>>();
  /** Settles when the messages that were published before slots moved are acknowledged. */
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

  /** Publishes one batch after the other to each shard: no batch may overtake one that follows its slot to another master. */
  async publish(messages: readonly Publishing[]): Promise<readonly (Error | undefined)[]> {
    const [[first]] = messages as [Publishing];
    const shard = this.#shardOf(first);
    const publish = async (): Promise<readonly (Error | undefined)[]> => {
      const replies = await this.#follow(messages.map(([channel, frame]) => [this.#isSharded ? 'spublish' : 'publish', channel, frame]));
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
    // The command has no key, so it is sent to the master of each channel's slot.
    const asked = await Promise.all(
      channels.map(async (channel) => {
        const [reply] = await this.#shardOf(channel).commands.run([['pubsub', 'shardnumsub', channel]]);
        return reply instanceof Error ? 0 : (countsIn(reply, [channel])[0] ?? 0);
      }),
    );
    return asked;
  }

  /** Also reads the slots: a master without subscriptions of this node does not report that it has new slots. */
  async ping(): Promise<void> {
    const ready = [...this.#shards.values()].filter(({ isReady }) => isReady);
    await Promise.all([this.#readSlots(), ...ready.map(({ subscriber }) => subscriber.within('PING', subscriber.redis.ping()))]);
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

  /** Runs commands on the masters of their slots, in order. Commands that a master redirects are sent again. */
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
      // Acknowledged writes move with a migrated slot. After a failover they may be lost.
      if (left.some(({ at }) => redirection(replies[at]) === 'MOVED')) this.redirects++;
      if (left.length === 0 || tries >= MAX_REDIRECTS) break;
      if (tries > 0) await pause(RETRY_MS);
      await this.#readSlots();
    }
    return replies;
  }

  /** Sends a command to the master that is importing the slot of its key. The slot's owner stays the same until the move ends. */
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
        await this.#readSlots();
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

  /** Returns the subscribers without sharded pub/sub: each master counts only its own ones. */
  async #classicListeners(channels: readonly string[]): Promise<readonly number[]> {
    if (channels.length === 0) return [];
    const all = await Promise.all(
      [...this.#shards.values()].map(async ({ commands }) =>
        countsIn((await commands.run([['pubsub', 'numsub', ...channels]]))[0], channels),
      ),
    );
    return channels.map((_channel, i) => all.reduce((sum, counts) => sum + (counts[i] ?? 0), 0));
  }

  /** Tries to connect to all masters until all connections are ready. */
  async #recover(): Promise<void> {
    while (!this.#isClosed && !this.#isReady) {
      try {
        await this.#readSlots();
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

  /** Reads which master has which slot; concurrent callers share one query. @throws HublineError if no master answers */
  #readSlots(): Promise<void> {
    return (this.#readingSlots ??= this.#querySlots().finally(() => (this.#readingSlots = undefined)));
  }

  async #querySlots(): Promise<void> {
    const [reply, asked] = await this.#fromAnyNode(['cluster', 'slots']);
    if (this.#isSharded === undefined) {
      const [known] = (await this.#fromAnyNode(['command', 'info', 'spublish', 'sunsubscribe'])) as [unknown[], RedisAddress];
      this.#isSharded = known.every(Boolean);
    }
    const slots = new SlotMap(reply, asked);
    if (this.#isClosed || !slots.isWhole) return;
    const opened = [...slots.masters].filter((address) => !this.#shards.has(address)).map((address) => this.#open(address));
    // Connections to new masters need a moment. Until then commands stay with the old masters, which redirect them.
    const until = performance.now() + this.#options.timeoutMs;
    while (!opened.every(({ isReady }) => isReady) && !this.#isClosed && performance.now() < until) await pause(RETRY_MS / 10);
    const isChanged = this.#slots !== undefined && !slots.equals(this.#slots);
    this.#slots = slots;
    if (isChanged) {
      // The results are dropped: otherwise each change of slots would keep those of the change before.
      this.#followed = Promise.allSettled([this.#followed, ...this.#publishing.values()]).then(() => undefined);
      this.#publishing.clear();
    }
    for (const [address, shard] of this.#shards) {
      if (slots.masters.has(address)) continue;
      this.#shards.delete(address);
      this.#leaving.add(shard);
      // Commands in flight still receive their answers.
      setTimeout(() => this.#leaving.delete(shard) && shard.close(), this.#options.timeoutMs).unref();
    }
    if (isChanged) this.#observer.moved(performance.now());
  }

  /** Returns the reply of the first node that answers: a known master, or one of the seeds. */
  async #fromAnyNode(command: Command): Promise<readonly [reply: unknown, asked: RedisAddress]> {
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
      ready: () => undefined, // #recover polls isReady
      lost: (cause) => {
        if (this.#shards.get(address) !== shard) return;
        const slots = this.#isSharded ? this.#slots?.slotsOf(address) : undefined;
        if (slots?.length !== 0) this.#reportLost(cause, slots); // a new master without slots is not used yet
      },
      message: (channel, frame) => this.#observer.message(channel, frame),
      moved: () => this.#handleMoved(),
    });
    this.#shards.set(address, shard);
    return shard;
  }

  #reportLost(cause: Error, slots?: readonly number[]): void {
    const isRecovering = !this.#isReady;
    this.#isReady = false;
    this.#observer.lost(cause, slots);
    if (!isRecovering) void this.#recover();
  }

  /** Handles channels that Redis has unsubscribed: Redis reports each channel, and the slots are read once for all of them. */
  #handleMoved(): void {
    const since = performance.now();
    this.#moved ??= setTimeout(() => {
      this.#moved = undefined;
      this.#readSlots().then(
        () => this.#observer.moved(since),
        (error: unknown) => this.#reportLost(error as Error),
      );
    }, RETRY_MS).unref();
  }
}

function redirection(reply: unknown): 'MOVED' | 'ASK' | undefined {
  if (!(reply instanceof Error)) return undefined;
  if (reply.message.startsWith('MOVED ')) return 'MOVED';
  return reply.message.startsWith('ASK ') ? 'ASK' : undefined;
}

/** Runs one command on a new client as soon as that is connected. */
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
