import { HublineError } from '@hubline/protocol';
import type { Bus, Link, LinkObserver, LinkState, LocalState, NodeInfo, Outage } from '@hubline/server/backplane';
import { ConfigurationCheck } from './configuration-check.ts';
import { Deferred } from './deferred.ts';
import { DirectoryWriter } from './directory-writer.ts';
import { RedisDirectory } from './directory.ts';
import { Keys } from './keys.ts';
import { LeaseEndedError } from './leases.ts';
import type { LinkContext, LinkEvents, LinkStatus, SessionRestart } from './link-context.ts';
import type { RedisSettings } from './options.ts';
import { Peers } from './peers.ts';
import { RedisBus } from './redis-bus.ts';
import { isRefusal } from './redis-connection.ts';
import { Registration } from './registration.ts';
import { SlotAvailability } from './slot-availability.ts';
import type { Store, StoreObserver } from './store.ts';
import { Sweeper } from './sweeper.ts';
import { unavailable } from './unavailable.ts';
import { DecodeErrorReporter } from './decode-error-reporter.ts';

export interface RedisLinkOptions {
  readonly self: NodeInfo;
  readonly local: LocalState;
  readonly observer: LinkObserver;
  readonly settings: RedisSettings;
  readonly openStore: (observer: StoreObserver) => Store;
}

type State = { readonly name: 'connecting' | 'up' | 'closed' } | { readonly name: 'down'; readonly since: number; readonly outage: Outage };

/** The back-off while Redis refuses commands: doubled with each refusal, and randomised, because all nodes retry. */
const RETRY_MS = { least: 250, most: 15_000 };

/** The shortest time until the next check of the leases: a lease without an expiry time would be checked continuously. */
const CHECK_MS = 50;

/**
 * Links one node to the cluster. During an outage of Redis the node keeps its state and serves its own clients. Afterwards the link
 * subscribes to its channels, registers under a new incarnation, and then announces the node.
 */
export class RedisLink implements Link, LinkStatus {
  readonly directory: RedisDirectory;
  readonly #context: LinkContext;
  readonly #availability: SlotAvailability;
  readonly #configuration: ConfigurationCheck;
  readonly #sweeper: Sweeper;
  readonly #registration: Registration;
  readonly #peers: Peers;
  readonly #writer: DirectoryWriter;
  readonly #bus: RedisBus;
  #state: State = { name: 'connecting' };
  /** The attempt to enter the cluster, or the time in it, until the next outage. It settles when the link is up, or down again. */
  #entry: Deferred | undefined;
  #retryTimer: NodeJS.Timeout | undefined;
  /** How often in a row Redis has refused to register this process. */
  #refusals = 0;
  readonly #heartbeatTimer: NodeJS.Timeout;
  #leaseTimer: NodeJS.Timeout | undefined;
  #closing: Promise<void> | undefined;
  readonly #settled = new Deferred();
  readonly #registered = new Deferred();

  constructor({ self, local, observer, settings, openStore }: RedisLinkOptions) {
    const keys = new Keys(settings.prefix);
    const store = openStore({
      ready: () => void this.#enter(),
      lost: (cause, slots) => this.#goDown(cause, slots),
      message: (channel, frame) => this.#bus.receive(keys.nameOf(channel), frame),
      moved: (since) => void this.#resubscribe(since),
    });
    const report: LinkObserver['report'] = (stage, error) => (this.#closing ? undefined : observer.report(stage, error));
    const availability = (this.#availability = new SlotAvailability({ store, keys }));
    const context = (this.#context = {
      self,
      local,
      settings,
      store,
      keys,
      availability,
      unreadable: new DecodeErrorReporter(report),
      status: this,
      observer: { ...observer, report },
      events: this.#events,
    } satisfies LinkContext);
    this.#configuration = new ConfigurationCheck(context);
    const sweeper = (this.#sweeper = new Sweeper(context));
    const registration = (this.#registration = new Registration({ ...context, sweeper }));
    const peers = (this.#peers = new Peers({ ...context, registration, sweeper }));
    const writer = (this.#writer = new DirectoryWriter({ ...context, registration, sweeper, peers }));
    this.#bus = new RedisBus({ ...context, registration, peers });
    this.directory = new RedisDirectory({ ...context, registration, peers, writer });
    this.#heartbeatTimer = setInterval(() => void this.#heartbeat(), settings.heartbeatIntervalMs).unref();
  }

  get #events(): LinkEvents {
    return {
      joined: (node) => {
        this.#context.observer.joined(node);
        this.#configuration.checkApp(node);
      },
      announced: (process) => this.#bus.processAnnounced(process),
      lost: (node, reason) => {
        this.#bus.processLost(node.process, reason);
        this.#context.observer.lost(node, reason);
      },
      forgotten: (process) => this.#bus.processForgotten(process),
      ownLeaseEnded: (session) => this.#writer.restart(session),
      leasesMayHaveChanged: () => void this.#refresh(),
      sessionRestarted: (restart) => this.#announceRestart(restart),
      entriesRepaired: (repaired) => {
        this.#context.observer.report('repaired', repairOf(repaired));
        this.#context.observer.stale(); // a snapshot may have been taken while Redis lacked these entries, here or elsewhere
        this.#bus.sendRepaired();
      },
      writeFailed: (error) => (this.isUp ? this.#failToWrite(error) : undefined),
      commandFailed: (error) => (this.isUp ? this.#fail(error) : undefined),
    };
  }

  get bus(): Bus {
    return this.#bus;
  }
  get state(): LinkState {
    return this.#state.name;
  }
  get isUp(): boolean {
    return this.#state.name === 'up';
  }
  get isEntering(): boolean {
    return this.#entry !== undefined;
  }
  get settled(): Promise<void> {
    return this.#settled.promise;
  }
  /** Why the link is down; undefined in any other state. */
  get outage(): Outage | undefined {
    return this.#state.name === 'down' ? this.#state.outage : undefined;
  }

  /** Settles with the first registration; with `startWithoutRedis` also when the first attempt has failed. */
  ready(): Promise<void> {
    return this.#context.settings.startWithoutRedis ? this.#settled.promise : this.#registered.promise;
  }
  /** Settles with the first registration. */
  registered(): Promise<void> {
    return this.#registered.promise;
  }

  close(): Promise<void> {
    return (this.#closing ??= this.#close());
  }

  /** Enters the cluster when Redis can be reached: subscribes, registers and reports the link as up. Another outage ends the attempt. */
  async #enter(): Promise<void> {
    if (this.#closing) return;
    clearTimeout(this.#retryTimer);
    this.#entry?.resolve();
    const entry = (this.#entry = new Deferred());
    const isOver = (): boolean => entry !== this.#entry || this.#closing !== undefined;
    try {
      await this.#bus.subscriptions.all();
    } catch (error) {
      if (!isOver()) this.#fail(error);
    }
    if (isOver()) return;
    try {
      await this.#writer.register(entry.promise);
      if (!isOver()) await this.#peers.resume();
    } catch (error) {
      if (!isOver()) this.#failToWrite(error);
    }
    if (isOver()) return;
    this.#refusals = 0;
    const state = this.#state;
    this.#state = { name: 'up' };
    this.#availability.markAllAvailable();
    this.#peers.announce();
    entry.resolve();
    if (state.name === 'down') this.#context.observer.up({ ms: Math.round(performance.now() - state.since) });
    this.#bus.up();
    this.#registered.resolve();
    this.#settled.resolve();
    void this.#configuration.checkMemory();
    this.#checkLeases();
  }

  /** Subscribes again after slots have moved, and recovers messages that were missed since. */
  async #resubscribe(since: number): Promise<void> {
    const isUp = this.isUp; // otherwise the end of the outage recovers them
    try {
      await this.#bus.subscriptions.all();
      if (isUp) this.#bus.recoverSince(since);
    } catch (error) {
      if (this.isUp) this.#fail(error);
    }
  }

  /** Handles an error of Redis as an outage, and schedules a retry. If a connection has closed, the store reconnects and calls `ready`. */
  #fail(error: unknown, slots?: readonly number[]): void {
    if (this.#closing) return;
    const isRefused = isRefusal(error);
    this.#goDown(error instanceof Error ? error : unavailable(String(error)), slots, isRefused ? 'refused' : 'unreachable');
    const ms = Math.min(RETRY_MS.most, RETRY_MS.least * 2 ** this.#refusals) * (0.5 + Math.random());
    if (isRefused) this.#refusals++;
    this.#retryTimer = setTimeout(() => void this.#enter(), ms).unref();
  }

  /** Handles a failed write. If Redis only refuses writes, all channels stay subscribed and messages are still sent. */
  #failToWrite(error: unknown): void {
    if (!isRefusal(error)) return this.#fail(error);
    this.#availability.markAllAvailable();
    this.#fail(error, []);
  }

  /** Begins or extends an outage, and marks its slots as unavailable; without `slots`, all of them. */
  #goDown(cause: Error, slots?: readonly number[], outage: Outage = 'unreachable'): void {
    if (this.#closing) return;
    clearTimeout(this.#retryTimer);
    if (this.#peers.areAllSubscribed) this.#availability.stopWaitingForSubscribers();
    const isChanged = this.#availability.markUnavailable(slots);
    this.#peers.suspend();
    this.#entry?.resolve();
    this.#entry = undefined;
    this.#bus.subscriptions.down();
    const before = this.#state;
    this.#state = { name: 'down', since: before.name === 'down' ? before.since : performance.now(), outage };
    if (before.name === 'down' && !isChanged) return;
    this.#bus.down();
    if (before.name === 'down') return;
    this.#settled.resolve();
    if (!this.#context.settings.startWithoutRedis) {
      this.#registered.reject(unavailable(`Redis cannot be reached: ${cause.message}`, cause));
    }
    this.#context.observer.down(cause);
  }

  /** Announces a new incarnation. If the lease of the one before had ended, other nodes may have reported this node as lost. */
  #announceRestart({ hadEnded, silentMs }: SessionRestart): void {
    this.#bus.sendHello();
    this.#bus.recoverSince();
    if (hadEnded) this.#context.observer.gap({ ms: Math.round(silentMs) });
    else this.#context.observer.stale();
    void this.#refresh();
  }

  async #heartbeat(): Promise<void> {
    const startedAt = performance.now();
    if (this.#state.name === 'connecting') return;
    if (this.#bus.tick()) this.#stopWaitingForNodes();
    try {
      await Promise.all([this.#writer.renewLease(), this.#context.store.ping()]);
    } catch (error) {
      if (this.isUp) this.#failToWrite(error);
      return;
    }
    this.#bus.sendHeartbeat(startedAt);
    await this.#refresh();
  }

  async #refresh(): Promise<void> {
    if (this.#state.name === 'connecting' || this.#closing) return;
    try {
      await this.#peers.refresh();
      this.#bus.publisher.schedule();
      this.#checkLeases();
    } catch (error) {
      if (this.isUp && !(error instanceof LeaseEndedError)) this.#context.observer.report('lease', error);
    }
  }

  /** Schedules a check when the next lease ends: a lease that is not renewed ends between two heartbeats. */
  #checkLeases(): void {
    clearTimeout(this.#leaseTimer);
    const ms = this.#peers.nextEndMs;
    const { heartbeatIntervalMs } = this.#context.settings;
    if (ms < heartbeatIntervalMs) this.#leaseTimer = setTimeout(() => void this.#refresh(), Math.max(ms + 2, CHECK_MS)).unref();
  }

  #stopWaitingForNodes(): void {
    const nodes = this.#peers.unsubscribed.join(', ');
    // While a shard is unavailable no node is lost: messages to its channels continue to wait, and others are sent.
    if (this.isUp) this.#peers.giveUp();
    else this.#availability.stopWaitingForSubscribers();
    this.#bus.publisher.schedule();
    this.#context.observer.report(
      'publish',
      unavailable(`Messages waited for ${nodes} to subscribe again, and were sent after bufferMs without them.`),
    );
  }

  async #close(): Promise<void> {
    const { store, keys } = this.#context;
    clearInterval(this.#heartbeatTimer);
    clearTimeout(this.#leaseTimer);
    clearTimeout(this.#retryTimer);
    this.#bus.close();
    this.#settled.resolve();
    this.#registered.reject(unavailable('The link was closed before it was ready.'));
    this.#state = { name: 'closed' };
    await this.#bus.publisher.close();
    const canSendGoodbye = this.#availability.has(keys.lease(this.#registration.session.incarnation));
    this.#availability.markUnavailable();
    this.#entry?.resolve();
    this.#entry = undefined;
    this.#sweeper.close();
    await this.#writer.settle();
    if (canSendGoodbye) await this.#goodbye().catch(() => undefined); // if that fails, the lease expires and other nodes sweep
    store.close();
  }

  async #goodbye(): Promise<void> {
    const { store, keys } = this.#context;
    const { incarnation } = this.#registration.session;
    await store.run([['del', keys.lease(incarnation)]]);
    await this.#bus.sendGoodbye();
    await this.#sweeper.deleteAll(incarnation);
  }
}

function repairOf(keys: readonly string[]): Error {
  const some = keys.slice(0, 3).join(', ') + (keys.length > 3 ? ' …' : '');
  return new HublineError(
    'internal',
    `${keys.length} keys of this node were missing or different in Redis (${some}), and are written again.`,
    {},
  );
}
