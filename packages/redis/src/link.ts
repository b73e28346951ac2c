import { HublineError } from '@hubline/protocol';
import type { Bus, Link, LinkObserver, LinkState, LocalState, NodeInfo, Outage } from '@hubline/server/backplane';
import type { Context } from './context.ts';
import { RedisDirectory } from './directory.ts';
import { Exchange } from './exchange.ts';
import { Keys } from './keys.ts';
import { isRefusal } from './redis-connection.ts';
import type { Settings } from './options.ts';
import { Peers } from './peers.ts';
import { LeaseOverError } from './reading.ts';
import { SlotAvailability } from './slot-availability.ts';
import { Registrar, type Rebirth } from './registrar.ts';
import { Setup } from './setup.ts';
import { Signal } from './signal.ts';
import type { Store, StoreObserver } from './store.ts';
import { Sweeper } from './sweep.ts';
import { unavailable } from './unavailable.ts';
import { Unreadable } from './unreadable.ts';

export interface RedisLinkOptions {
  readonly self: NodeInfo;
  readonly local: LocalState;
  readonly observer: LinkObserver;
  readonly settings: Settings;
  readonly openStore: (observer: StoreObserver) => Store;
}

type State = { readonly name: 'connecting' | 'up' | 'closed' } | { readonly name: 'down'; readonly since: number; readonly outage: Outage };

/** The back-off while Redis refuses commands: doubled each time, and randomised, since all nodes retry. */
const RETRY_MS = { least: 250, most: 15_000 };

/** The least time between two checks of a lease: a lease that Redis keeps without an end is always about to end. */
const CHECK_MS = 50;

/**
 * Links one node to the cluster. During an outage of Redis the node keeps its state and serves its own clients; afterwards the
 * link subscribes again, registers under a new incarnation, and only then sends a hello.
 */
export class RedisLink implements Link {
  readonly directory: RedisDirectory;
  readonly #context: Context;
  readonly #observer: LinkObserver;
  readonly #reach: SlotAvailability;
  readonly #exchange: Exchange;
  readonly #peers: Peers;
  readonly #registrar: Registrar;
  readonly #sweeper: Sweeper;
  readonly #setup: Setup;
  #state: State = { name: 'connecting' };
  /** The attempt to enter the cluster, or the stay there, until the next loss. It settles when the link is up, or lost again. */
  #entry: Signal | undefined;
  #retrying: NodeJS.Timeout | undefined;
  /** How often in a row Redis has refused to register this process. */
  #refusals = 0;
  readonly #beating: NodeJS.Timeout;
  #checking: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  readonly #settled = new Signal();
  readonly #registered = new Signal();

  constructor({ self, local, observer, settings, openStore }: RedisLinkOptions) {
    const keys = new Keys(settings.prefix);
    const store = openStore({
      ready: () => void this.#enter(),
      lost: (cause, slots) => this.#lose(cause, slots),
      message: (channel, frame) => this.#exchange.hear(keys.nameOf(channel), frame),
      moved: (since) => void this.#resubscribe(since),
    });
    const reach = (this.#reach = new SlotAvailability((key) => store.slotOf(key)));
    const isUp = (): boolean => this.#state.name === 'up';
    const report: LinkObserver['report'] = (stage, error) => (this.#closing ? undefined : observer.report(stage, error));
    const context = (this.#context = {
      self,
      local,
      settings,
      store,
      keys,
      reach,
      session: () => this.#registrar.session,
      isUp,
      settled: () => this.#settled.promise,
      unreadable: new Unreadable(report),
      report,
    } satisfies Context);
    this.#observer = observer;
    this.#setup = new Setup(context);
    this.#sweeper = new Sweeper(context);
    this.#peers = new Peers({
      ...context,
      observer: {
        joined: (node) => {
          observer.joined(node);
          this.#setup.checkApp(node);
        },
        lost: (node, reason) => {
          this.#exchange.lost(node.process, reason);
          observer.lost(node, reason);
        },
      },
      leaseless: (session) => this.#registrar.renew(session),
      announced: (process) => this.#exchange.announced(process),
      dead: (incarnation) => this.#sweeper.dead(incarnation),
      forgotten: (process) => this.#exchange.forgotten(process),
    });
    this.#registrar = new Registrar({
      ...context,
      isRefused: () => this.outage === 'refused',
      clean: (incarnation) => this.#sweeper.all(incarnation),
      over: (old) => this.#sweeper.dead(old),
      repaired: (lost) => {
        report('repaired', repaired(lost));
        observer.stale(); // a snapshot may have been taken while Redis lacked them, here or elsewhere
        this.#exchange.repaired();
      },
      doubted: () => this.#peers.doubt(),
      reborn: (rebirth) => this.#reborn(rebirth),
      failed: (error) => (isUp() ? this.#failToWrite(error) : undefined),
    });
    this.#exchange = new Exchange({
      ...context,
      peers: () => this.#peers,
      isEntering: () => this.#entry !== undefined,
      refresh: () => void this.#refresh(),
      failed: (error) => (isUp() ? this.#fail(error) : undefined),
      gap: (gap) => observer.gap(gap),
      stale: () => observer.stale(),
    });
    this.directory = new RedisDirectory({ ...context, peers: this.#peers, registrar: this.#registrar });
    this.#beating = setInterval(() => void this.#beat(), settings.heartbeatIntervalMs).unref();
  }

  get bus(): Bus {
    return this.#exchange;
  }
  get state(): LinkState {
    return this.#state.name;
  }
  /** Why the link is down. */
  get outage(): Outage | undefined {
    return this.#state.name === 'down' ? this.#state.outage : undefined;
  }

  /** Settles with the first registration or, with `startWithoutRedis`, already with the failure of the first attempt. */
  ready(): Promise<void> {
    return this.#context.settings.startWithoutRedis ? this.#settled.promise : this.#registered.promise;
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
    if (this.#closing) return;
    clearTimeout(this.#retrying);
    this.#entry?.resolve();
    const entry = (this.#entry = new Signal());
    const isOver = (): boolean => entry !== this.#entry || this.#closing !== undefined;
    try {
      await this.#exchange.subscriptions.all();
    } catch (error) {
      if (!isOver()) this.#fail(error);
    }
    if (isOver()) return;
    try {
      await this.#registrar.register(entry.promise);
      if (!isOver()) await this.#peers.resume();
    } catch (error) {
      if (!isOver()) this.#failToWrite(error);
    }
    if (isOver()) return;
    this.#refusals = 0;
    const state = this.#state;
    this.#state = { name: 'up' };
    this.#reach.restore();
    this.#peers.announce();
    entry.resolve();
    if (state.name === 'down') this.#observer.up({ ms: Math.round(performance.now() - state.since) });
    this.#exchange.up();
    this.#registered.resolve();
    this.#settled.resolve();
    void this.#setup.checkMemory();
    this.#checkLeases();
  }

  /** Subscribes again after slots have moved: messages on their channels may have been missed. */
  async #resubscribe(since: number): Promise<void> {
    const isUp = this.#state.name === 'up'; // otherwise the outage covers the gap
    try {
      await this.#exchange.subscriptions.all();
      if (isUp) this.#exchange.missed(since);
    } catch (error) {
      if (this.#state.name === 'up') this.#fail(error);
    }
  }

  /** Treats an error of Redis as an outage, and schedules a retry. After the loss of a connection the store calls `ready` instead. */
  #fail(error: unknown, slots?: readonly number[]): void {
    if (this.#closing) return;
    const isRefused = isRefusal(error);
    this.#lose(error instanceof Error ? error : unavailable(String(error)), slots, isRefused ? 'refused' : 'unreachable');
    const ms = Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** this.#refusals) * (0.5 + Math.random());
    if (isRefused) this.#refusals++;
    this.#retrying = setTimeout(() => void this.#enter(), ms).unref();
  }

  /** Handles a failed write. Where Redis only refuses writes, all channels stay subscribed and messages still flow. */
  #failToWrite(error: unknown): void {
    if (!isRefusal(error)) return this.#fail(error);
    this.#reach.restore();
    this.#fail(error, []);
  }

  /** Ends the entry and marks slots as lost; without `slots`, all of them. */
  #lose(cause: Error, slots?: readonly number[], outage: Outage = 'unreachable'): void {
    if (this.#closing) return;
    clearTimeout(this.#retrying);
    if (this.#peers.isComplete) this.#reach.settle();
    const isNews = this.#reach.lose(slots);
    this.#peers.suspend();
    this.#entry?.resolve();
    this.#entry = undefined;
    this.#exchange.subscriptions.down();
    const before = this.#state;
    this.#state = { name: 'down', since: before.name === 'down' ? before.since : performance.now(), outage };
    if (before.name === 'down' && !isNews) return;
    this.#exchange.down();
    if (before.name === 'down') return;
    this.#settled.resolve();
    if (!this.#context.settings.startWithoutRedis) {
      this.#registered.reject(unavailable(`Redis cannot be reached: ${cause.message}`, cause));
    }
    this.#observer.down(cause);
  }

  /** Announces the new incarnation. Where the lease of the one before had ended, other nodes may have taken this one for lost. */
  #reborn({ hadEnded, silentMs }: Rebirth): void {
    this.#exchange.hello();
    this.#exchange.missed();
    if (hadEnded) this.#observer.gap({ ms: Math.round(silentMs) });
    else this.#observer.stale();
    void this.#refresh();
  }

  async #beat(): Promise<void> {
    const startedAt = performance.now();
    if (this.#state.name === 'connecting') return;
    if (this.#exchange.prune()) this.#openGate();
    try {
      await Promise.all([this.#registrar.beat(), this.#context.store.ping()]);
    } catch (error) {
      if (this.#state.name === 'up') this.#failToWrite(error);
      return;
    }
    this.#exchange.beat(startedAt);
    await this.#refresh();
  }

  async #refresh(): Promise<void> {
    if (this.#state.name === 'connecting' || this.#closing) return;
    try {
      await this.#peers.refresh();
      this.#exchange.publisher.schedule();
      this.#checkLeases();
    } catch (error) {
      if (this.#state.name === 'up' && !(error instanceof LeaseOverError)) this.#observer.report('lease', error);
    }
  }

  /** Schedules a check at the end of the next lease: a lease that is not renewed ends between two heartbeats. */
  #checkLeases(): void {
    clearTimeout(this.#checking);
    const ms = this.#peers.nextEndMs;
    const { heartbeatIntervalMs } = this.#context.settings;
    if (ms < heartbeatIntervalMs) this.#checking = setTimeout(() => void this.#refresh(), Math.max(ms + 2, CHECK_MS)).unref();
  }

  #openGate(): void {
    const nodes = this.#peers.deaf.join(', ');
    // While a shard is away no node is given up: messages to its channels go on waiting, the others are sent.
    if (this.#state.name === 'up') this.#peers.giveUp();
    else this.#reach.settle();
    this.#exchange.publisher.schedule();
    this.#observer.report('publish', unavailable(`Messages that waited for ${nodes} were sent without waiting any longer.`));
  }

  async #close(): Promise<void> {
    const { store, keys, session } = this.#context;
    clearInterval(this.#beating);
    clearTimeout(this.#checking);
    clearTimeout(this.#retrying);
    this.#exchange.close();
    this.#settled.resolve();
    this.#registered.reject(unavailable('The link was closed before it was ready.'));
    this.#state = { name: 'closed' };
    await this.#exchange.publisher.close();
    const canSayGoodbye = this.#reach.has(keys.lease(session().incarnation));
    this.#reach.lose();
    this.#entry?.resolve();
    this.#entry = undefined;
    this.#sweeper.close();
    await this.#registrar.settle();
    if (canSayGoodbye) await this.#goodbye().catch(() => undefined); // after a failure the lease ends by itself, and other nodes sweep
    store.close();
  }

  async #goodbye(): Promise<void> {
    const { store, keys, session } = this.#context;
    const { incarnation } = session();
    await store.run([['del', keys.lease(incarnation)]]);
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
