import { HublineError } from '@hubline/protocol';
import {
  nodeChannel,
  type Link,
  type LinkObserver,
  type LinkState,
  type Local,
  type NodeInfo,
  type Outage,
} from '@hubline/server/backplane';
import type { RedisBus } from './bus.ts';
import { RedisDirectory } from './directory.ts';
import { Exchange } from './exchange.ts';
import { Keys } from './keys.ts';
import { isRefusal } from './redis-connection.ts';
import type { Settings } from './options.ts';
import { Peers } from './peers.ts';
import { LeaseOverError } from './reading.ts';
import { SlotAvailability } from './slot-availability.ts';
import { Registrar } from './registrar.ts';
import { Setup } from './setup.ts';
import { Signal } from './signal.ts';
import type { Store, StoreObserver } from './store.ts';
import { Sweeper } from './sweep.ts';
import { unavailable } from './unavailable.ts';
import { UnreadableValues } from './unreadable.ts';
import { Verifier } from './verifier.ts';
import { Watchers } from './watchers.ts';

export interface RedisLinkOptions {
  readonly self: NodeInfo;
  readonly local: Local;
  readonly observer: LinkObserver;
  readonly settings: Settings;
  readonly openStore: (observer: StoreObserver) => Store;
}

/** The back-off while Redis refuses commands: doubled each time, and randomised, since all nodes retry. */
const RETRY_MS = { least: 250, most: 15_000 };

/**
 * Links one node to the cluster. During an outage of Redis the node keeps its state and serves its own clients; afterwards the
 * link subscribes again, registers under a new incarnation, and only then sends a hello.
 */
export class RedisLink implements Link {
  readonly directory: RedisDirectory;
  readonly #self: NodeInfo;
  readonly #observer: LinkObserver;
  readonly #settings: Settings;
  readonly #keys: Keys;
  readonly #store: Store;
  readonly #reach: SlotAvailability;
  readonly #exchange: Exchange;
  readonly #peers: Peers;
  readonly #registrar: Registrar;
  readonly #sweeper: Sweeper;
  readonly #setup: Setup;
  #state: LinkState = 'connecting';
  /** Counts the losses, so that an operation that began before a loss has no effect after it. */
  #losses = 0;
  /** How often in a row Redis has refused to register this process. */
  #refusals = 0;
  /** Why the link is down. */
  #outage: Outage | undefined;
  #downSince = performance.now();
  readonly #beating: NodeJS.Timeout;
  #checking: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  readonly #settled = new Signal();
  readonly #registered = new Signal();
  /** Settles when the current attempt to enter has succeeded or failed. */
  #entered = new Signal();

  constructor({ self, local, observer, settings, openStore }: RedisLinkOptions) {
    const { nodeTimeoutMs, sweepDelayMs, prefix } = settings;
    const keys = (this.#keys = new Keys(prefix));
    this.#self = self;
    this.#observer = observer;
    this.#settings = settings;
    const store = (this.#store = openStore({
      ready: () => void this.#enter(),
      lost: (cause, slots) => this.#lose(cause, slots),
      message: (channel, frame) => this.#exchange.hear(keys.nameOf(channel), frame),
      moved: (since) => void this.#resubscribe(since),
    }));
    const reach = (this.#reach = new SlotAvailability((key) => store.slotOf(key)));
    const reaches = (key: string): boolean => reach.has(key);
    const isUp = (): boolean => this.#state === 'up';
    const settled = (): Promise<void> => this.#settled.promise;
    const report =
      (stage: Parameters<LinkObserver['report']>[0]) =>
      (error: unknown): void =>
        this.#closing ? undefined : observer.report(stage, error);
    this.#setup = new Setup({ self, store, prefix, report: report('setup') });
    const unreadables = new UnreadableValues(report('read'));
    const unreadable = (key: string, field?: string): void => unreadables.add(key, field);
    this.#sweeper = new Sweeper({
      store,
      keys,
      delayMs: sweepDelayMs,
      claimMs: nodeTimeoutMs,
      isUp,
      report: report('sweep'),
    });
    this.#peers = new Peers({
      self,
      own: () => this.#registrar.incarnation,
      counters: (commands) => this.#registrar.counters(commands),
      leaseless: (own) => this.#registrar.renew(own),
      unreadable,
      store,
      keys,
      nodeTimeoutMs,
      reaches,
      observer: {
        joined: (node) => {
          this.#exchange.joined(node.process);
          observer.joined(node);
          this.#setup.checkApp(node);
        },
        lost: (node, reason) => {
          this.#exchange.lost(node.process, reason);
          observer.lost(node, reason);
        },
      },
      announced: (process) => this.#exchange.announced(process),
      dead: (incarnation) => this.#sweeper.dead(incarnation),
      forgotten: (process) => this.#exchange.forgotten(process),
    });
    this.#registrar = new Registrar({
      self,
      local,
      store,
      keys,
      watchers: new Watchers({ store, keys, unreadable }),
      nodeTimeoutMs,
      isUp,
      isRefused: () => this.outage === 'refused',
      reaches,
      settled,
      clean: (incarnation) => this.#sweeper.all(incarnation),
      over: (old) => this.#sweeper.dead(old),
      verifier: new Verifier({ self, local, store, keys, heartbeatIntervalMs: settings.heartbeatIntervalMs }),
      repaired: (lost) => report('repaired')(repaired(lost)),
      reborn: (silentMs) => this.#reborn(silentMs),
      failed: (error) => (isUp() ? this.#failToWrite(error) : undefined),
    });
    this.#exchange = new Exchange({
      self,
      settings,
      store,
      keys,
      peers: () => this.#peers,
      origin: () => this.#registrar.incarnation,
      isUp,
      isClosing: () => this.#closing !== undefined,
      reaches: (name) => reach.isWhole || reach.has(keys.channel(name)),
      isWhole: () => reach.isWhole,
      isGated: (channel) => this.#isGated(channel),
      settled,
      refresh: () => void this.#refresh(),
      failed: (error) => (isUp() ? this.#fail(error) : undefined),
      gap: (gap) => observer.gap(gap),
      report: (stage, error) => report(stage)(error),
    });
    const { peers, registrar } = { peers: this.#peers, registrar: this.#registrar };
    this.directory = new RedisDirectory({
      self,
      local,
      store,
      keys,
      peers,
      registrar,
      isUp,
      reaches,
      settled,
      report: report('flush'),
      unreadable,
    });
    this.#beating = setInterval(() => void this.#beat(), settings.heartbeatIntervalMs).unref();
  }

  get bus(): RedisBus {
    return this.#exchange.bus;
  }
  get state(): LinkState {
    return this.#state;
  }
  get outage(): Outage | undefined {
    return this.#state === 'down' ? this.#outage : undefined;
  }

  /** Settles with the first registration or, with `startWithoutRedis`, already with the failure of the first attempt. */
  ready(): Promise<void> {
    return this.#settings.startWithoutRedis ? this.#settled.promise : this.#registered.promise;
  }
  /** Settles with the first registration, however long that takes. */
  registered(): Promise<void> {
    return this.#registered.promise;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  /** Enters the cluster once Redis can be reached: subscribes, registers and reports the link as up. Another loss ends the attempt. */
  async #enter(): Promise<void> {
    const losses = this.#losses;
    const isStill = (): boolean => losses === this.#losses && !this.#closing;
    const entered = (this.#entered = new Signal());
    try {
      await this.#exchange.subscriptions.all();
      if (!isStill()) return;
    } catch (error) {
      if (isStill()) this.#fail(error);
      return;
    }
    try {
      await this.#registrar.register(entered.promise);
      if (!isStill()) return;
      await this.#peers.resume();
      if (!isStill()) return;
    } catch (error) {
      if (isStill()) this.#failToWrite(error);
      return;
    }
    this.#refusals = 0;
    const wasDown = this.#state === 'down';
    const ms = Math.round(performance.now() - this.#downSince);
    this.#state = 'up';
    this.#reach.restore();
    this.#peers.announce();
    entered.resolve();
    if (wasDown) this.#observer.up({ ms });
    this.#exchange.up();
    this.#registered.resolve();
    this.#settled.resolve();
    void this.#setup.checkMemory();
    this.#checkLeases();
  }

  /** Subscribes again after slots have moved: messages on their channels may have been missed. */
  async #resubscribe(since: number): Promise<void> {
    const isUp = this.#state === 'up'; // otherwise the outage covers the gap
    try {
      await this.#exchange.subscriptions.again();
      if (isUp) this.#exchange.missed(since);
    } catch (error) {
      if (this.#state === 'up') this.#fail(error);
    }
  }

  /** Treats an error of Redis as an outage, and schedules a retry. After the loss of a connection the store calls `ready` instead. */
  #fail(error: unknown, slots?: readonly number[]): void {
    if (this.#closing) return;
    const isRefused = isRefusal(error);
    this.#lose(error instanceof Error ? error : unavailable(String(error)), slots);
    this.#outage = isRefused ? 'refused' : 'unreachable';
    const losses = this.#losses;
    const ms = Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** this.#refusals) * (0.5 + Math.random());
    if (isRefused) this.#refusals++;
    setTimeout(() => {
      if (losses === this.#losses) void this.#enter();
    }, ms).unref();
  }

  /** Handles a failed write. Where Redis only refuses writes, all channels stay subscribed and messages still flow. */
  #failToWrite(error: unknown): void {
    if (!isRefusal(error)) return this.#fail(error);
    this.#reach.restore();
    this.#fail(error, []);
  }

  /** Marks slots as lost; without `slots`, all of them. */
  #lose(cause: Error, slots?: readonly number[]): void {
    if (this.#closing) return;
    this.#losses++;
    this.#outage = 'unreachable';
    if (this.#peers.isComplete) this.#reach.settle();
    const isNews = this.#reach.lose(slots);
    this.#peers.suspend();
    this.#entered.resolve();
    this.#exchange.subscriptions.down();
    if (this.#state === 'down' && !isNews) return;
    const wasDown = this.#state === 'down';
    this.#state = 'down';
    this.#exchange.down();
    if (wasDown) return;
    this.#downSince = performance.now();
    this.#settled.resolve();
    if (!this.#settings.startWithoutRedis) this.#registered.reject(unavailable(`Redis cannot be reached: ${cause.message}`, cause));
    this.#observer.down(cause);
  }

  /** Announces the new incarnation after a lost lease: meanwhile other nodes took this one for lost, and sent it no changes. */
  #reborn(silentMs: number): void {
    this.#exchange.say({ is: 'hello', incarnation: this.#registrar.incarnation, node: this.#self });
    this.#exchange.missed();
    this.#observer.gap({ ms: Math.round(silentMs) });
    void this.#refresh();
  }

  async #beat(): Promise<void> {
    const startedAt = performance.now();
    if (this.#state === 'connecting') return;
    if (this.#exchange.prune()) this.#openGate();
    try {
      await Promise.all([this.#registrar.beat(), this.#store.ping()]);
    } catch (error) {
      if (this.#state === 'up') this.#failToWrite(error);
      return;
    }
    this.#exchange.beat(startedAt);
    await this.#refresh();
  }

  async #refresh(): Promise<void> {
    if (this.#state === 'connecting' || this.#closing) return;
    try {
      await this.#peers.refresh();
      this.#exchange.publisher.schedule();
      this.#checkLeases();
    } catch (error) {
      if (this.#state === 'up' && !(error instanceof LeaseOverError)) this.#observer.report('lease', error);
    }
  }

  /** Schedules a check at the end of the next lease: a lease that is not renewed ends between two heartbeats. */
  #checkLeases(): void {
    clearTimeout(this.#checking);
    const ms = this.#peers.nextEndMs;
    if (ms < this.#settings.heartbeatIntervalMs) this.#checking = setTimeout(() => void this.#refresh(), Math.max(ms, 0) + 2).unref();
  }

  /** Whether messages on the channel wait for nodes from before an outage: what is published before they subscribe again is lost to them. */
  #isGated(channel: string): boolean {
    if (this.#peers.isComplete || !this.#reach.isShaken(this.#keys.channel(channel))) return false;
    return channel.startsWith(nodeChannel('')) ? this.#peers.isDeaf(channel.slice(nodeChannel('').length)) : true;
  }

  #openGate(): void {
    const nodes = this.#peers.deaf.join(', ');
    // While a shard is away no node is given up: messages to its channels go on waiting, the others are sent.
    if (this.#state === 'up') this.#peers.giveUp();
    else this.#reach.settle();
    this.#exchange.publisher.schedule();
    this.#observer.report('publish', unavailable(`Messages that waited for ${nodes} were sent without waiting any longer.`));
  }

  async #close(): Promise<void> {
    clearInterval(this.#beating);
    clearTimeout(this.#checking);
    this.#exchange.close();
    this.#settled.resolve();
    this.#registered.reject(unavailable('The link was closed before it was ready.'));
    this.#state = 'closed';
    await this.#exchange.publisher.close();
    const canSayGoodbye = this.#reach.has(this.#keys.lease(this.#registrar.incarnation));
    this.#reach.lose();
    this.#entered.resolve();
    this.#sweeper.close();
    await this.#registrar.settle();
    if (canSayGoodbye) await this.#goodbye().catch(() => undefined); // after a failure the lease ends by itself, and other nodes sweep
    this.#store.close();
  }

  async #goodbye(): Promise<void> {
    const { incarnation } = this.#registrar;
    await this.#store.run([['del', this.#keys.lease(incarnation)]]);
    await this.#exchange.goodbye();
    await this.#sweeper.all(incarnation);
  }
}

function repaired(keys: readonly string[]): Error {
  const some = keys.slice(0, 3).join(', ') + (keys.length > 3 ? ' …' : '');
  return new HublineError(
    'internal',
    `Redis did not hold what this node had written under ${keys.length} keys (${some}); it does again.`,
    {},
  );
}
