import type { LinkObserver, NodeInfo, ProcessId } from '@hubline/server/backplane';
import { vi } from 'vitest';
import { decodeFrame } from '../src/frame.ts';
import { incarnationOf, Keys, processIn, type Incarnation } from '../src/keys.ts';
import type { LinkEvents } from '../src/link-context.ts';
import { NOTICES } from '../src/notice.ts';
import { settingsFrom, type RedisBackplaneOptions } from '../src/options.ts';
import { RedisBus } from '../src/redis-bus.ts';
import { Session } from '../src/session.ts';
import { DecodeErrorReporter } from '../src/decode-error-reporter.ts';
import { MemoryRedis } from './memory-redis.ts';
import { MemoryStore } from './memory-store.ts';

const keys = new Keys('p');

const ignore = (): void => undefined;
/** Handles no event of a link's parts. */
export const NO_EVENTS: LinkEvents = {
  joined: ignore,
  announced: ignore,
  lost: ignore,
  forgotten: ignore,
  ownLeaseEnded: ignore,
  leasesMayHaveChanged: ignore,
  sessionRestarted: ignore,
  entriesRepaired: ignore,
  writeFailed: ignore,
  commandFailed: ignore,
};

/** Handles no event of a link. */
export const NO_OBSERVER: LinkObserver = {
  down: ignore,
  up: ignore,
  joined: ignore,
  lost: ignore,
  gap: ignore,
  stale: ignore,
  report: ignore,
};

/** The messages between nodes, with the names of their channels instead of the keys. */
export class LossyPubSub {
  readonly redis = new MemoryRedis();

  /** All messages that were published. */
  get published(): readonly { readonly channel: string; readonly bytes: Buffer }[] {
    return this.redis.published.map(({ channel, bytes }) => ({ channel: keys.nameOf(channel), bytes }));
  }
  set delayMs(ms: number) {
    this.redis.delayMs = ms;
  }

  /** Drops the next messages on a channel to a node. */
  drop(node: Node, channel: string, options?: Parameters<MemoryStore['drop']>[1]): void {
    node.store.drop(keys.channel(channel), options);
  }

  framesOf(kind: number, from?: ProcessId): number {
    const frames = this.published.filter(({ channel }) => channel !== NOTICES).map(({ bytes }) => decodeFrame(bytes));
    return frames.filter((frame) => frame.kind === kind && (!from || processIn(frame.origin) === from)).length;
  }
}

/** The part of a link that exchanges messages, on a store in memory. */
export class Node {
  readonly store: MemoryStore;
  readonly bus: RedisBus;
  readonly self: NodeInfo;
  readonly events: [name: string, what: unknown][] = [];
  readonly known = new Set<ProcessId>();
  readonly left = new Set<ProcessId>();
  readonly unsubscribed = new Set<ProcessId>();
  readonly n = 1;

  constructor(pubSub: LossyPubSub, nodeId: string, options: RedisBackplaneOptions = {}) {
    this.self = { nodeId, process: nodeId, app: 'test', accepts: true, startedAt: 0 };
    this.store = new MemoryStore({
      redis: pubSub.redis,
      observer: { message: (channel, bytes) => this.bus.receive(keys.nameOf(channel), bytes) },
    });
    const peers = {
      isKnown: (process: ProcessId) => this.known.has(process),
      isSubscribed: (process: ProcessId) => !this.unsubscribed.has(process),
      mustWait: () => false,
      processes: this.known,
      lostWithin: () => [...this.left],
      incarnation: (process: ProcessId) => (this.known.has(process) || this.left.has(process) ? incarnationOf(process, 1) : undefined),
      hello: (incarnation: Incarnation) => this.meet(processIn(incarnation)),
      heartbeat: () => undefined,
      goodbye: (incarnation: Incarnation) => this.lose(processIn(incarnation), 'goodbye'),
    };
    const record = (stage: string, error: unknown): void => void this.events.push([stage, (error as { code: string }).code]);
    this.bus = new RedisBus({
      self: this.self,
      settings: settingsFrom(options),
      store: this.store,
      keys,
      peers,
      registration: this,
      status: this,
      availability: this,
      unreadable: new DecodeErrorReporter(record),
      observer: {
        ...NO_OBSERVER,
        gap: (gap) => this.events.push(['gap', gap]),
        stale: () => this.events.push(['stale', undefined]),
        report: record,
      },
      events: { ...NO_EVENTS, leasesMayHaveChanged: () => this.events.push(['refresh', undefined]) },
    });
    void this.bus.subscriptions.all();
  }

  readonly isEntering = true;
  readonly outage = undefined;
  readonly settled = Promise.resolve();
  get isConnected(): boolean {
    return this.store.isConnected;
  }
  get isUp(): boolean {
    return this.isConnected;
  }
  get session(): Session {
    return new Session({ process: this.self.process, n: this.n, keys, nodeTimeoutMs: 20_000 });
  }
  has(): boolean {
    return this.isConnected;
  }
  hasChannel(): boolean {
    return this.isConnected;
  }
  get areAllAvailable(): boolean {
    return this.isConnected;
  }
  mayLackSubscribers(): boolean {
    return false;
  }

  get gaps(): readonly unknown[] {
    return this.events.filter(([name]) => name === 'gap').map(([, gap]) => gap);
  }
  get received(): readonly unknown[] {
    return this.events.filter(([name]) => name === 'received').map(([, text]) => text);
  }

  meet(process: ProcessId): void {
    if (this.known.has(process) || process === this.self.process) return;
    this.known.add(process);
    this.left.delete(process);
    this.bus.processAnnounced(process);
  }
  lose(process: ProcessId, reason: 'goodbye' | 'lease'): void {
    if (!this.known.delete(process)) return;
    this.left.add(process);
    this.bus.processLost(process, reason);
    this.events.push(['lost', process]);
  }

  subscribe(channel: string): { close(): void } {
    void this.store.subscribe([keys.channel(channel)]); // at once: the bus subscribes only at the end of the turn
    return this.bus.subscribe(channel, (payload) => this.events.push(['received', Buffer.from(payload).toString()]));
  }
  /** Publishes texts, each in a turn of the event loop of its own. */
  async publish(channel: string, ...texts: readonly string[]): Promise<void> {
    for (const text of texts) {
      const sent = this.bus.publish(channel, Buffer.from(text), { mayWait: true });
      await vi.advanceTimersByTimeAsync(0);
      await sent;
    }
  }

  down(): void {
    this.store.disconnect();
    this.bus.down();
  }
  up(): void {
    if (!this.isConnected) {
      this.store.connect();
      void this.bus.subscriptions.all();
    }
    this.bus.up();
  }
  beat(): void {
    this.bus.sendHeartbeat(performance.now());
  }
}

export function nodesOn(...nodeIds: readonly string[]): { readonly pubSub: LossyPubSub; readonly nodes: readonly Node[] } {
  const pubSub = new LossyPubSub();
  const nodes = nodeIds.map((nodeId) => new Node(pubSub, nodeId));
  for (const node of nodes) node.up();
  return { pubSub, nodes };
}

/** Makes two nodes, of which the second has received a message of the first on a channel. */
export async function pair(channel = 't') {
  const { pubSub, nodes } = nodesOn('ann', 'bob');
  const [ann, bob] = nodes as readonly [Node, Node];
  const subscription = bob.subscribe(channel);
  await ann.publish(channel, '1');
  await advance(0);
  return { pubSub, ann, bob, subscription };
}

export const advance = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** Replaces the timers and the clock by fake ones. */
export function useFakeTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'performance'] });
}
