import type { Command } from '../src/redis-connection.ts';

type Value =
  | { readonly type: 'string'; readonly text: string }
  | { readonly type: 'hash'; readonly fields: Map<string, string> }
  | { readonly type: 'set'; readonly members: Set<string> }
  | { readonly type: 'zset'; readonly scores: Map<string, number> };

/** An error with which Redis answers a command. */
const replyError = (message: string): Error => Object.assign(new Error(message), { name: 'ReplyError' });
const wrongType = (): Error => replyError('WRONGTYPE Operation against a key holding the wrong kind of value');

const pairsOf = (args: readonly string[]): [string, string][] =>
  Array.from({ length: args.length / 2 }, (_, i) => [args[2 * i]!, args[2 * i + 1]!]);

/** Adds, and returns the number of items that were not there before. */
function countNew(items: { readonly size: number }, add: () => void): number {
  const before = items.size;
  add();
  return items.size - before;
}

/** Keys, commands and subscriptions of a Redis, in memory. It has the commands that the backplane sends; any other command throws. */
export class MemoryRedis {
  /** The delay of a message in milliseconds. */
  delayMs = 0;
  /** All messages that were published. */
  readonly published: { readonly channel: string; readonly bytes: Buffer }[] = [];
  readonly #values = new Map<string, Value>();
  /** When keys expire, by `performance.now()`. */
  readonly #expiry = new Map<string, number>();
  /** The subscribers of each channel. */
  readonly #subscribers = new Map<string, Set<(channel: string, bytes: Buffer) => void>>();

  /** Runs a command. Returns an Error, as an answer, if the key has an unexpected type. */
  execute([name, ...parts]: Command): unknown {
    const [key = '', ...args] = parts.map(String);
    const run = this.#commands[name];
    if (!run) throw new Error(`MemoryRedis does not have the command ${name.toUpperCase()}.`);
    try {
      return run(key, args);
    } catch (error) {
      if ((error as Error).name === 'ReplyError') return error;
      throw error;
    } finally {
      this.#deleteIfEmpty(key);
    }
  }

  /** Takes back the last INCR of a counter, as a failover to a replica without that write does. */
  loseIncrement(counter: string): void {
    this.#setText(counter, String(Number(this.#text(counter)) - 1));
  }

  subscribe(channel: string, receive: (channel: string, bytes: Buffer) => void): void {
    const subscribers = this.#subscribers.get(channel);
    if (subscribers) subscribers.add(receive);
    else this.#subscribers.set(channel, new Set([receive]));
  }
  unsubscribe(channel: string, receive: (channel: string, bytes: Buffer) => void): void {
    this.#subscribers.get(channel)?.delete(receive);
  }
  listeners(channel: string): number {
    return this.#subscribers.get(channel)?.size ?? 0;
  }

  /** Delivers a message to the subscribers of its channel, at once unless messages are delayed. */
  publish(channel: string, bytes: Buffer): void {
    this.published.push({ channel, bytes });
    for (const receive of [...(this.#subscribers.get(channel) ?? [])]) {
      const arrive = (): void => {
        if (this.#subscribers.get(channel)?.has(receive)) receive(channel, bytes);
      };
      if (this.delayMs > 0) setTimeout(arrive, this.delayMs);
      else arrive();
    }
  }

  readonly #commands: Readonly<Record<string, ((key: string, args: readonly string[]) => unknown) | undefined>> = {
    set: (key, [text = '', ...options]) => {
      const exists = this.#valueOf(key) !== undefined;
      const flags = options.map((option) => option.toUpperCase());
      if ((flags.includes('NX') && exists) || (flags.includes('XX') && !exists)) return null;
      this.#setText(key, text);
      if (flags.includes('PX')) this.#expiry.set(key, performance.now() + Number(options[flags.indexOf('PX') + 1]));
      else this.#expiry.delete(key);
      return 'OK';
    },
    get: (key) => this.#text(key),
    mget: (key, more) => [key, ...more].map((each) => this.#textOrNull(each)),
    incr: (key) => {
      const count = Number(this.#text(key) ?? 0) + 1;
      if (Number.isNaN(count)) throw replyError('ERR value is not an integer or out of range');
      this.#setText(key, String(count));
      return count;
    },
    del: (key, more) => [key, ...more].filter((each) => this.#delete(each)).length,
    getex: (key, [, ms]) => {
      const text = this.#text(key);
      if (text !== null) this.#expiry.set(key, performance.now() + Number(ms));
      return text;
    },
    pexpire: (key, [ms]) => {
      if (!this.#valueOf(key)) return 0;
      this.#expiry.set(key, performance.now() + Number(ms));
      return 1;
    },
    pttl: (key) => {
      if (!this.#valueOf(key)) return -2;
      const until = this.#expiry.get(key);
      return until === undefined ? -1 : Math.ceil(until - performance.now());
    },

    hset: (key, args) => {
      const hash = this.#hash(key);
      return countNew(hash, () => {
        for (const [field, text] of pairsOf(args)) hash.set(field, text);
      });
    },
    hsetnx: (key, [field = '', text = '']) => {
      const hash = this.#hash(key);
      if (hash.has(field)) return 0;
      hash.set(field, text);
      return 1;
    },
    hdel: (key, fields) => fields.filter((field) => this.#hash(key).delete(field)).length,
    hmget: (key, fields) => fields.map((field) => this.#hash(key).get(field) ?? null),
    hgetall: (key) => Object.fromEntries(this.#hash(key)),
    hkeys: (key) => [...this.#hash(key).keys()],
    hlen: (key) => this.#hash(key).size,

    sadd: (key, members) => {
      const set = this.#set(key);
      return countNew(set, () => {
        for (const member of members) set.add(member);
      });
    },
    srem: (key, members) => members.filter((member) => this.#set(key).delete(member)).length,
    scard: (key) => this.#set(key).size,
    smembers: (key) => [...this.#set(key)],
    smismember: (key, members) => members.map((member) => (this.#set(key).has(member) ? 1 : 0)),

    zadd: (key, args) => {
      const scores = this.#scores(key);
      return countNew(scores, () => {
        for (const [score, member] of pairsOf(args)) scores.set(member, Number(score));
      });
    },
    zrem: (key, members) => members.filter((member) => this.#scores(key).delete(member)).length,
    zcard: (key) => this.#scores(key).size,
    zscore: (key, [member = '']) => {
      const score = this.#scores(key).get(member);
      return score === undefined ? null : String(score);
    },
    zrange: (key, [from, to]) => {
      const members = this.#sorted(key);
      return members.slice(Number(from), Number(to) === -1 ? undefined : Number(to) + 1);
    },
    zrangebylex: (key, [from = '-', to = '+', ...limit]) => {
      const [, offset = 0, count = Infinity] = limit.map(Number);
      return this.#sorted(key)
        .filter((member) => isAfter(member, from) && isBefore(member, to))
        .slice(offset, offset + count);
    },
  };

  #valueOf(key: string): Value | undefined {
    if ((this.#expiry.get(key) ?? Infinity) <= performance.now()) this.#delete(key);
    return this.#values.get(key);
  }
  #delete(key: string): boolean {
    const isLeft = (this.#expiry.get(key) ?? Infinity) > performance.now();
    this.#expiry.delete(key);
    return this.#values.delete(key) && isLeft;
  }
  /** Deletes a collection without items, as Redis does. */
  #deleteIfEmpty(key: string): void {
    const value = this.#values.get(key);
    if (!value || value.type === 'string') return;
    const items =
      value.type === 'hash' ? value.fields
      : value.type === 'set' ? value.members
      : value.scores;
    if (items.size === 0) this.#delete(key);
  }

  #setText(key: string, text: string): void {
    this.#values.set(key, { type: 'string', text });
  }
  #text(key: string): string | null {
    const value = this.#valueOf(key);
    if (value && value.type !== 'string') throw wrongType();
    return value?.text ?? null;
  }
  /** Returns a text, or null also for a key of another type, as MGET does. */
  #textOrNull(key: string): string | null {
    const value = this.#valueOf(key);
    return value?.type === 'string' ? value.text : null;
  }
  #hash(key: string): Map<string, string> {
    const value = this.#valueOf(key) ?? this.#put(key, { type: 'hash', fields: new Map() });
    if (value.type !== 'hash') throw wrongType();
    return value.fields;
  }
  #set(key: string): Set<string> {
    const value = this.#valueOf(key) ?? this.#put(key, { type: 'set', members: new Set() });
    if (value.type !== 'set') throw wrongType();
    return value.members;
  }
  #scores(key: string): Map<string, number> {
    const value = this.#valueOf(key) ?? this.#put(key, { type: 'zset', scores: new Map() });
    if (value.type !== 'zset') throw wrongType();
    return value.scores;
  }
  /** Members of equal scores, in the order of their bytes. */
  #sorted(key: string): readonly string[] {
    return [...this.#scores(key).keys()].sort(compareBytes);
  }
  #put(key: string, value: Value): Value {
    this.#values.set(key, value);
    return value;
  }
}

const compareBytes = (one: string, other: string): number => Buffer.compare(Buffer.from(one), Buffer.from(other));

/** Bounds of ZRANGEBYLEX: `-`, `+`, `[included` or `(excluded`. */
function isAfter(member: string, from: string): boolean {
  if (from === '-' || from === '+') return from === '-';
  return compareBytes(member, from.slice(1)) >= (from.startsWith('[') ? 0 : 1);
}
function isBefore(member: string, to: string): boolean {
  if (to === '-' || to === '+') return to === '+';
  return compareBytes(member, to.slice(1)) <= (to.startsWith('[') ? 0 : -1);
}
