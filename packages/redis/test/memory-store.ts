import { checked, checkedReads, type Command } from '../src/redis-connection.ts';
import type { Publishing, Store, StoreObserver } from '../src/store.ts';
import { unavailable } from '../src/unavailable.ts';
import { MemoryRedis } from './memory-redis.ts';

export interface MemoryStoreOptions {
  /** The Redis of this store. Stores with the same one exchange messages. */
  readonly redis?: MemoryRedis;
  readonly isSingleRedis?: boolean;
  readonly observer?: Pick<StoreObserver, 'message'>;
}

/** The next messages on a channel that do not arrive at a store. */
interface Drop {
  readonly channel: string;
  readonly is: (bytes: Buffer) => boolean;
  left: number;
}

/** A store on a {@link MemoryRedis}, whose connection a test interrupts, delays or observes. Its answers wait for no timer. */
export class MemoryStore implements Store {
  readonly isSingleRedis: boolean;
  readonly redis: MemoryRedis;
  readonly #observer: Pick<StoreObserver, 'message'>;
  readonly #channels = new Set<string>();
  readonly #drops: Drop[] = [];
  readonly #records: string[][] = [];
  readonly #unavailableKeys = new Set<string>();
  readonly #toBeRedirected = new Set<string>();
  /** The answers that are held back; undefined if answers arrive at once. */
  #held: (() => void)[] | undefined;
  #isConnected = true;
  #redirects = 0;
  #failures = 0;
  #publishesToIgnore = 0;

  constructor({ redis = new MemoryRedis(), isSingleRedis = true, observer = { message: () => undefined } }: MemoryStoreOptions = {}) {
    this.redis = redis;
    this.isSingleRedis = isSingleRedis;
    this.#observer = observer;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }
  get redirects(): number {
    return this.#redirects;
  }
  /** The number of round trips that have failed because of {@link loseKey}. */
  get failures(): number {
    return this.#failures;
  }

  /** Closes the connection: commands fail, and Redis removes all subscriptions. */
  disconnect(): void {
    this.#isConnected = false;
    this.close();
  }
  /** Connects again, without subscriptions. */
  connect(): void {
    this.#isConnected = true;
  }
  /** Makes the master of a key unavailable: from now on round trips with a command for the key fail, and none of their commands is run. */
  loseKey(key: string): void {
    this.#unavailableKeys.add(key);
  }
  /** Makes a key available again. */
  restoreKey(key: string): void {
    this.#unavailableKeys.delete(key);
  }
  /** Whether the master of a key is available. */
  isAvailable(key: string): boolean {
    return !this.#unavailableKeys.has(key);
  }
  /** Redirects the next command of this name to another master, which runs it. */
  redirectNext(name: string): void {
    this.#toBeRedirected.add(name);
  }
  /** Loses the next messages that are published together: they are neither delivered nor answered. */
  loseNextPublish(): void {
    this.#publishesToIgnore++;
  }
  /** Drops the next messages on a channel to this store. */
  drop(channel: string, { count = 1, is = () => true }: { readonly count?: number; readonly is?: (bytes: Buffer) => boolean } = {}): void {
    this.#drops.push({ channel, is, left: count });
  }
  /** Holds back the answers from now on. They have the state at the time of their commands. */
  holdAnswers(): void {
    this.#held ??= [];
  }
  /** Releases the answers for which a promise waits, and returns its result. */
  async releaseAnswers<T>(waiting: Promise<T>): Promise<T> {
    let isSettled = false;
    const settled = waiting.finally(() => (isSettled = true));
    for (let turns = 0; !isSettled && turns < 1000; turns++) {
      for (const arrive of this.#held?.splice(0) ?? []) arrive();
      await Promise.resolve();
    }
    return settled;
  }
  /** Returns a list to which each later command is added, as `name key`, also if it fails. */
  record(): readonly string[] {
    const record: string[] = [];
    this.#records.push(record);
    return record;
  }

  async run(commands: readonly Command[]): Promise<readonly unknown[]> {
    return checked(commands, await this.#answersTo(commands));
  }
  async read(commands: readonly Command[]): Promise<readonly unknown[]> {
    return checkedReads(commands, await this.#answersTo(commands));
  }
  async publish(messages: readonly Publishing[]): Promise<readonly (Error | undefined)[]> {
    this.#expectConnection();
    if (this.#publishesToIgnore > 0) {
      this.#publishesToIgnore--;
      return new Promise(() => undefined);
    }
    for (const [channel, bytes] of messages) this.redis.publish(channel, bytes);
    return messages.map(() => undefined);
  }
  async subscribe(channels: readonly string[]): Promise<void> {
    this.#expectConnection();
    for (const channel of channels) {
      this.#channels.add(channel);
      this.redis.subscribe(channel, this.#receive);
    }
  }
  async unsubscribe(channels: readonly string[]): Promise<void> {
    this.#expectConnection();
    this.#unsubscribe(channels);
  }
  async listeners(channels: readonly string[]): Promise<readonly number[]> {
    this.#expectConnection();
    return channels.map((channel) => this.redis.listeners(channel));
  }
  async ping(): Promise<void> {
    this.#expectConnection();
  }
  async memory(): Promise<readonly string[]> {
    this.#expectConnection();
    return [];
  }
  tags(): readonly string[] {
    return ['0'];
  }
  tagOf(): string {
    return '0';
  }
  slotOf(): number {
    return 0;
  }
  close(): void {
    this.#unsubscribe([...this.#channels]);
  }

  async #answersTo(commands: readonly Command[]): Promise<readonly unknown[]> {
    for (const record of this.#records) record.push(...commands.map(([name, key]) => `${name} ${String(key)}`));
    this.#expectConnection();
    if (!commands.every(([, key]) => this.isAvailable(String(key)))) {
      this.#failures++;
      throw unavailable('The master of a key is unavailable.');
    }
    for (const [name] of commands) if (this.#toBeRedirected.delete(name)) this.#redirects++;
    const answers = commands.map((command) => this.redis.execute(command));
    if (this.#held) await new Promise<void>((resolve) => this.#held?.push(resolve));
    return answers;
  }

  #expectConnection(): void {
    if (!this.#isConnected) throw unavailable('The link is down.');
  }
  #unsubscribe(channels: readonly string[]): void {
    for (const channel of channels) {
      this.#channels.delete(channel);
      this.redis.unsubscribe(channel, this.#receive);
    }
  }
  readonly #receive = (channel: string, bytes: Buffer): void => {
    const drop = this.#drops.find((each) => each.channel === channel && each.left > 0 && each.is(bytes));
    if (drop) drop.left--;
    else this.#observer.message(channel, bytes);
  };
}
