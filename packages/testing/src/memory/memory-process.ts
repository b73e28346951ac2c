import { HublineError } from '@hubline/protocol';
import type { LinkObserver, LinkState, LocalState, NodeInfo, ProcessId, Topic } from '@hubline/server/backplane';
import { WrittenEntries } from './entries.ts';
import { Inbox } from './inbox.ts';

/** The processes with an open link on one memory backplane. */
export type MemoryCluster = Map<ProcessId, MemoryProcess>;

export interface MemorySubscription {
  readonly deliver: (payload: Uint8Array, from: ProcessId) => void;
  active: boolean;
}

/** One process of a memory backplane: its written entries, subscriptions, known processes and active faults. */
export class MemoryProcess {
  readonly node: NodeInfo;
  readonly local: LocalState;
  readonly subscriptions = new Map<string, MemorySubscription>();
  readonly watches = new Map<Topic, number>();
  readonly written = new WrittenEntries();
  /** The flushes of this process so far. */
  flushes = 0;

  readonly #cluster: MemoryCluster;
  readonly #observer: LinkObserver;
  /** One queue for events and messages, so that a process is announced before its messages are delivered. */
  readonly #inbox = new Inbox();
  /** The other processes that were announced to this one. */
  readonly #known = new Map<ProcessId, NodeInfo>();
  readonly #registered = new Deferred();
  /** Operations that wait while the process is frozen or connecting. */
  #pending: (() => void)[] = [];
  #state: LinkState = 'connecting';
  #leased = false;
  #frozen = false;
  #downAt = 0;
  #expiredAt = 0;
  #missed = 0;

  constructor({ node, local, observer, cluster }: MemoryProcessOptions) {
    this.node = node;
    this.local = local;
    this.#observer = observer;
    this.#cluster = cluster;
    cluster.set(node.process, this);
    setImmediate(() => this.#start());
  }

  get state(): LinkState {
    return this.#state;
  }
  get leased(): boolean {
    return this.#leased;
  }
  /** Settles with the first registration. */
  get registered(): Promise<void> {
    return this.#registered.promise;
  }
  /** The nodeIds of the known processes. */
  get knownNodeIds(): readonly string[] {
    return [...new Set([...this.#known.values()].map((node) => node.nodeId))];
  }

  /** Runs an operation of this process at once or, while the process is frozen or connecting, later in order. */
  perform<T>(operation: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const run = () => {
        try {
          resolve(operation());
        } catch (error) {
          reject(error);
        }
      };
      if (this.#isSuspended()) this.#pending.push(run);
      else run();
    });
  }

  receive(channel: string, payload: Uint8Array, from: ProcessId): void {
    const subscription = this.subscriptions.get(channel);
    if (!subscription?.active) return;
    if (this.#state === 'down') {
      this.#missed += 1;
      return;
    }
    this.#inbox.put(() => {
      if (!subscription.active) return;
      try {
        subscription.deliver(payload, from);
      } catch (error) {
        this.#observer.report('deliver', error);
      }
    });
  }

  close(): void {
    if (this.#state === 'closed') return;
    const reason = this.#state === 'up' && !this.#frozen ? 'goodbye' : 'lease';
    this.#state = 'closed';
    this.#leased = false;
    this.#frozen = false;
    this.#inbox.close();
    this.#cluster.delete(this.node.process);
    for (const other of this.#cluster.values()) other.#reportLost(this.node, reason);
    this.#registered.reject(unavailable('The link was closed before it was ready.'));
    this.#performPending();
  }

  freeze(): void {
    this.#frozen = true;
    this.#inbox.hold();
  }

  thaw(): void {
    if (!this.#frozen) return;
    this.#frozen = false;
    const wasDead = this.#state === 'up' && !this.#leased;
    if (this.#state === 'connecting' || wasDead) this.#register();
    if (wasDead) {
      const ms = performance.now() - this.#expiredAt;
      this.#inbox.put(() => this.#observer.gap({ ms }));
    }
    this.#performPending();
    this.#inbox.release();
  }

  expire(): void {
    if (this.#state !== 'down') this.freeze();
    this.#leased = false;
    this.#expiredAt = performance.now();
    for (const other of this.#cluster.values()) other.#reportLost(this.node, 'lease');
  }

  /** Deletes the lease and all entries of this process. Its answers are incomplete until it registers again. */
  eraseEntries(): void {
    if (this.#state !== 'up' || this.#frozen) return;
    this.written.clear();
    this.#leased = false;
    this.#expiredAt = performance.now();
  }

  registerAgain(): void {
    if (this.#state !== 'up' || this.#frozen || this.#leased) return;
    this.written.rewrite(this.local, ++this.flushes);
    this.#leased = true;
    const ms = performance.now() - this.#expiredAt;
    this.#inbox.put(() => this.#observer.gap({ ms }));
  }

  cut(): void {
    if (this.#frozen) {
      this.#pending.push(() => this.cut());
    } else if (this.#state === 'up' || this.#state === 'connecting') {
      this.#state = 'down';
      this.#downAt = performance.now();
      const cause = unavailable('The link was cut.');
      this.#inbox.put(() => this.#observer.down(cause));
      this.#performPending();
    }
  }

  heal(): void {
    if (this.#frozen) {
      this.#pending.push(() => this.heal());
    } else if (this.#state === 'down') {
      const ms = performance.now() - this.#downAt;
      const lost = this.#missed;
      this.#missed = 0;
      this.#inbox.put(() => this.#observer.up({ ms }));
      if (lost > 0) this.#inbox.put(() => this.#observer.gap({ lost, ms }));
      // The other nodes missed the changes meanwhile, so the process is announced again.
      for (const other of this.#cluster.values()) if (other.#state !== 'down') other.#known.delete(this.node.process);
      this.#register();
    }
  }

  #start(): void {
    if (this.#state !== 'connecting' || this.#frozen) return;
    this.#register();
    this.#performPending();
  }

  /** Writes all entries, takes a lease, and announces this process and the others to each other. */
  #register(): void {
    this.#state = 'up';
    this.written.rewrite(this.local, ++this.flushes);
    this.#leased = true;
    for (const node of this.#known.values()) {
      if (!this.#cluster.get(node.process)?.leased) this.#reportLost(node, 'lease');
    }
    for (const other of this.#cluster.values()) {
      if (other === this) continue;
      if (other.leased) this.#announce(other.node);
      other.#announce(this.node);
    }
    this.#registered.resolve();
  }

  #announce(node: NodeInfo): void {
    if (this.#state === 'down' || this.#known.has(node.process)) return;
    this.#known.set(node.process, node);
    this.#inbox.put(() => this.#observer.joined(node));
  }

  #reportLost(node: NodeInfo, reason: 'goodbye' | 'lease'): void {
    if (this.#state === 'down' || !this.#known.delete(node.process)) return;
    this.#inbox.put(() => this.#observer.lost(node, reason));
  }

  #isSuspended(): boolean {
    return this.#frozen || this.#state === 'connecting';
  }

  #performPending(): void {
    if (this.#isSuspended()) return;
    const pending = this.#pending;
    this.#pending = [];
    for (const run of pending) run();
  }
}

interface MemoryProcessOptions {
  readonly node: NodeInfo;
  readonly local: LocalState;
  readonly observer: LinkObserver;
  readonly cluster: MemoryCluster;
}

export const unavailable = (message: string): HublineError<'backplane_unavailable'> =>
  new HublineError('backplane_unavailable', message, {});

/** A promise that is settled from outside. Its rejection may be unhandled. */
class Deferred {
  readonly promise: Promise<void>;
  resolve!: () => void;
  reject!: (error: Error) => void;

  constructor() {
    this.promise = new Promise<void>((resolve, reject) => {
      this.resolve = resolve;
      this.reject = reject;
    });
    this.promise.catch(() => undefined);
  }
}
