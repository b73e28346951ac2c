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
import { Unreadable } from '../src/unreadable.ts';

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

/** A Redis of pub/sub alone, in which messages can be lost on their way to a node. */
export class Air {
  readonly nodes: Node[] = [];
  /** Messages of this kind, on this channel, that do not arrive at this node. */
  readonly losses: { readonly node: Node; readonly channel: string; readonly is: (bytes: Buffer) => boolean; left: number }[] = [];
  /** How long a message is on its way. */
  delayMs = 0;
  /** Everything that was published: channel, and how many bytes. */
  readonly published: { readonly channel: string; readonly bytes: Buffer }[] = [];

  publish(posts: readonly Publishing[]): Promise<readonly undefined[]> {
    for (const [key, bytes] of posts) {
      const channel = keys.nameOf(key);
      this.published.push({ channel, bytes });
      for (const node of this.nodes) {
        if (!node.isReached) continue;
        const loss = this.losses.find((each) => each.node === node && each.channel === channel && each.left > 0 && each.is(bytes));
        if (loss) loss.left--;
        else if (this.delayMs > 0) setTimeout(() => node.bus.receive(channel, bytes), this.delayMs);
        else node.bus.receive(channel, bytes);
      }
    }
    return Promise.resolve(posts.map(() => undefined));
  }

  /** The next messages on a channel do not arrive at a node. */
  lose(node: Node, channel: string, { count = 1, is = () => true }: { count?: number; is?: (bytes: Buffer) => boolean } = {}): void {
    this.losses.push({ node, channel, is, left: count });
  }

  framesOf(kind: number, from?: ProcessId): number {
    const frames = this.published.filter(({ channel }) => channel !== NOTICES).map(({ bytes }) => decodeFrame(bytes));
    return frames.filter((frame) => frame.kind === kind && (!from || processIn(frame.origin) === from)).length;
  }
}

export class Node {
  readonly bus: RedisBus;
  readonly self: NodeInfo;
  readonly told: [name: string, what: unknown][] = [];
  readonly known = new Set<ProcessId>();
  readonly left = new Set<ProcessId>();
  readonly unsubscribed = new Set<ProcessId>();
  isReached = true;
  n = 1;

  constructor(air: Air, nodeId: string, options: RedisBackplaneOptions = {}) {
    this.self = { nodeId, process: nodeId, app: 'test', accepts: true, startedAt: 0 };
    air.nodes.push(this);
    const store = {
      isOne: true,
      tagOf: () => '0',
      tags: () => ['0'],
      publish: (posts: readonly Publishing[]) => (this.isReached ? air.publish(posts) : Promise.reject(unavailable('The link is down.'))),
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
    const record = (stage: string, error: unknown): void => void this.told.push([stage, (error as { code: string }).code]);
    this.bus = new RedisBus({
      self: this.self,
      settings: settingsFrom(options),
      store,
      keys,
      peers,
      registration: this,
      status: this,
      availability: this,
      unreadable: new Unreadable(record),
      observer: {
        down: ignore,
        up: ignore,
        joined: ignore,
        lost: ignore,
        gap: (gap) => this.told.push(['gap', gap]),
        stale: () => this.told.push(['stale', undefined]),
        report: record,
      },
      events: { ...NO_EVENTS, leasesMayHaveChanged: () => this.told.push(['refresh', undefined]) },
    });
  }

  readonly isEntering = true;
  readonly outage = undefined;
  readonly settled = Promise.resolve();
  get isUp(): boolean {
    return this.isReached;
  }
  get session(): Session {
    return new Session({ process: this.self.process, n: this.n, keys, nodeTimeoutMs: 20_000 });
  }
  has(): boolean {
    return this.isReached;
  }
  hasChannel(): boolean {
    return this.isReached;
  }
  get areAllAvailable(): boolean {
    return this.isReached;
  }
  mayLackSubscribers(): boolean {
    return false;
  }

  get gaps(): readonly unknown[] {
    return this.told.filter(([name]) => name === 'gap').map(([, gap]) => gap);
  }
  get heard(): readonly unknown[] {
    return this.told.filter(([name]) => name === 'heard').map(([, text]) => text);
  }

  meet(process: ProcessId): void {
    if (this.known.has(process) || process === this.self.process) return;
    this.known.add(process);
    this.left.delete(process);
    this.bus.announced(process);
  }
  lose(process: ProcessId, reason: 'goodbye' | 'lease'): void {
    if (!this.known.delete(process)) return;
    this.left.add(process);
    this.bus.lost(process, reason);
    this.told.push(['lost', process]);
  }

  hear(channel: string): { close(): void } {
    return this.bus.subscribe(channel, (payload) => this.told.push(['heard', Buffer.from(payload).toString()]));
  }
  /** Published at once, each in a turn of its own. */
  async say(channel: string, ...texts: readonly string[]): Promise<void> {
    for (const text of texts) {
      const sent = this.bus.publish(channel, Buffer.from(text), { mayWait: true });
      await vi.advanceTimersByTimeAsync(0);
      await sent;
    }
  }

  down(): void {
    this.isReached = false;
    this.bus.down();
  }
  up(): void {
    this.isReached = true;
    this.bus.up();
  }
  beat(): void {
    this.bus.heartbeat(performance.now());
  }
}

export function worldOf(...nodeIds: readonly string[]): { readonly air: Air; readonly nodes: readonly Node[] } {
  const air = new Air();
  const nodes = nodeIds.map((nodeId) => new Node(air, nodeId));
  for (const node of nodes) node.up();
  return { air, nodes };
}

/** Two nodes, of which the second hears a channel on which the first has said something. */
export async function pair(channel = 't') {
  const { air, nodes } = worldOf('ann', 'bob');
  const [ann, bob] = nodes as readonly [Node, Node];
  const subscription = bob.hear(channel);
  await ann.say(channel, '1');
  await passed(0);
  return { air, ann, bob, subscription };
}

export const passed = (ms: number): Promise<unknown> => vi.advanceTimersByTimeAsync(ms);

/** Time is the test's from here on. */
export function fakeTime(): void {
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'setImmediate', 'clearTimeout', 'clearInterval', 'performance'] });
}
