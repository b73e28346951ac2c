import type { NodeInfo, ProcessId } from '@hubline/server/backplane';
import { vi } from 'vitest';
import { decodeFrame } from '../src/frame.ts';
import { incarnationOf, Keys, processIn, type Incarnation } from '../src/keys.ts';
import type { LinkEvents } from '../src/link-context.ts';
import { NOTICES } from '../src/notice.ts';
import { settingsFrom, type RedisBackplaneOptions } from '../src/options.ts';
import type { Publishing, Store } from '../src/store.ts';
import { RedisBus } from '../src/redis-bus.ts';
import { Session } from '../src/session.ts';
import { unavailable } from '../src/unavailable.ts';
import { DecodeErrorReporter } from '../src/decode-error-reporter.ts';

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

/** Pub/sub without a Redis, which can drop messages to a node. */
export class LossyPubSub {
  readonly nodes: Node[] = [];
  /** The next messages on a channel that do not arrive at a node. */
  readonly drops: { readonly node: Node; readonly channel: string; readonly is: (bytes: Buffer) => boolean; left: number }[] = [];
  /** The delay of a message in milliseconds. */
  delayMs = 0;
  /** All messages that were published. */
  readonly published: { readonly channel: string; readonly bytes: Buffer }[] = [];

  publish(posts: readonly Publishing[]): Promise<readonly undefined[]> {
    for (const [key, bytes] of posts) {
      const channel = keys.nameOf(key);
      this.published.push({ channel, bytes });
      for (const node of this.nodes) {
        if (!node.isConnected) continue;
        const loss = this.drops.find((each) => each.node === node && each.channel === channel && each.left > 0 && each.is(bytes));
        if (loss) loss.left--;
        else if (this.delayMs > 0) setTimeout(() => node.bus.receive(channel, bytes), this.delayMs);
        else node.bus.receive(channel, bytes);
      }
    }
    return Promise.resolve(posts.map(() => undefined));
  }

  /** Drops the next messages on a channel to a node. */
  drop(node: Node, channel: string, { count = 1, is = () => true }: { count?: number; is?: (bytes: Buffer) => boolean } = {}): void {
    this.drops.push({ node, channel, is, left: count });
  }

  framesOf(kind: number, from?: ProcessId): number {
    const frames = this.published.filter(({ channel }) => channel !== NOTICES).map(({ bytes }) => decodeFrame(bytes));
    return frames.filter((frame) => frame.kind === kind && (!from || processIn(frame.origin) === from)).length;
  }
}

export class Node {
  readonly bus: RedisBus;
  readonly self: NodeInfo;
  readonly events: [name: string, what: unknown][] = [];
  readonly known = new Set<ProcessId>();
  readonly left = new Set<ProcessId>();
  readonly unsubscribed = new Set<ProcessId>();
  isConnected = true;
  n = 1;

  constructor(pubSub: LossyPubSub, nodeId: string, options: RedisBackplaneOptions = {}) {
    this.self = { nodeId, process: nodeId, app: 'test', accepts: true, startedAt: 0 };
    pubSub.nodes.push(this);
    const store = {
      isSingleRedis: true,
      tagOf: () => '0',
      tags: () => ['0'],
      publish: (posts: readonly Publishing[]) =>
        this.isConnected ? pubSub.publish(posts) : Promise.reject(unavailable('The link is down.')),
      subscribe: () => Promise.resolve(),
      unsubscribe: () => Promise.resolve(),
    } as unknown as Store;
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
      store,
      keys,
      peers,
      registration: this,
      status: this,
      availability: this,
      unreadable: new DecodeErrorReporter(record),
      observer: {
        down: ignore,
        up: ignore,
        joined: ignore,
        lost: ignore,
        gap: (gap) => this.events.push(['gap', gap]),
        stale: () => this.events.push(['stale', undefined]),
        report: record,
      },
      events: { ...NO_EVENTS, leasesMayHaveChanged: () => this.events.push(['refresh', undefined]) },
    });
  }

  readonly isEntering = true;
  readonly outage = undefined;
  readonly settled = Promise.resolve();
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
    this.isConnected = false;
    this.bus.down();
  }
  up(): void {
    this.isConnected = true;
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
