import { HublineError } from '@hubline/protocol';
import type { Backplane, Bus, BusSubscription, Link, LinkObserver, LinkState, LocalState, NodeInfo, ProcessId } from './backplane.ts';
import { endOfTurn, MemoryDirectory, type MemoryNode } from './memory-directory.ts';
import type { Topic } from './topic.ts';

/** Creates a backplane in memory. It joins the nodes of one operating system process that are given this value. */
export function memoryBackplane(): Backplane {
  const links = new Map<ProcessId, MemoryLink>();
  return {
    open(self, local, observer) {
      if (links.has(self.process)) {
        throw new HublineError('invalid_option', `The process ${self.process} has a link already.`, { option: 'process' });
      }
      const link = new MemoryLink({ node: self, local, observer, links });
      links.set(self.process, link);
      return link;
    },
  };
}

type Deliver = (payload: Uint8Array, from: ProcessId) => void;

class Subscription implements BusSubscription {
  readonly ready: Promise<void>;
  readonly deliver: Deliver;
  readonly #channel: string;
  readonly #all: Map<string, Subscription>;

  constructor(
    channel: string,
    deliver: Deliver,
    { all, ready }: { readonly all: Map<string, Subscription>; readonly ready: Promise<void> },
  ) {
    this.ready = ready;
    this.deliver = deliver;
    this.#channel = channel;
    this.#all = all;
  }

  close(): void {
    if (this.#all.get(this.#channel) === this) this.#all.delete(this.#channel);
  }
}

interface MemoryLinkOptions {
  readonly node: NodeInfo;
  readonly local: LocalState;
  readonly observer: LinkObserver;
  readonly links: Map<ProcessId, MemoryLink>;
}

/** The link of one node. It is up from the next turn of the event loop until `close`. */
class MemoryLink implements Link, MemoryNode {
  readonly node: NodeInfo;
  readonly local: LocalState;
  readonly directory: MemoryDirectory;
  readonly bus: Bus;
  readonly watches = new Map<Topic, number>();
  readonly #observer: LinkObserver;
  readonly #links: Map<ProcessId, MemoryLink>;
  readonly #subscriptions = new Map<string, Subscription>();
  readonly #up: Promise<void>;
  /** Resolves when the link is up or closed. All subscriptions share it. */
  readonly #subscribed: Promise<void>;
  /** Events and messages are in one queue, so `joined` comes before a node's messages, and `lost` after them. */
  #tasks: (() => void)[] = [];
  #state: LinkState = 'connecting';

  constructor({ node, local, observer, links }: MemoryLinkOptions) {
    this.node = node;
    this.local = local;
    this.#observer = observer;
    this.#links = links;
    this.directory = new MemoryDirectory(this, links);
    this.bus = {
      publish: (channel, payload) => this.#publish(channel, payload),
      subscribe: (channel, deliver) => this.#subscribe(channel, deliver),
    };
    this.#up = new Promise((resolve, reject) => {
      setImmediate(() => {
        if (this.#state === 'closed') return reject(closed());
        this.#enter();
        resolve();
      });
    });
    this.#subscribed = this.#up.catch(() => undefined); // a caller of `ready` gets the error
  }

  get state(): LinkState {
    return this.#state;
  }

  ready(): Promise<void> {
    return this.#up;
  }

  async close(): Promise<void> {
    const wasUp = this.#state === 'up';
    this.#state = 'closed';
    this.#tasks = [];
    this.#links.delete(this.node.process);
    if (wasUp) for (const other of this.#links.values()) other.#put(() => other.#observer.lost(this.node, 'goodbye'));
    await endOfTurn(); // the other nodes are notified in this turn
  }

  #enter(): void {
    this.#state = 'up';
    for (const other of this.#links.values()) {
      if (other === this || other.#state !== 'up') continue;
      this.#put(() => this.#observer.joined(other.node));
      other.#put(() => other.#observer.joined(this.node));
    }
  }

  async #publish(channel: string, payload: Uint8Array): Promise<void> {
    if (this.#state === 'connecting') await this.#up;
    if (this.#state === 'closed') throw closed();
    for (const other of this.#links.values()) if (other !== this) other.#receive(channel, payload, this.node.process);
  }

  #subscribe(channel: string, deliver: Deliver): BusSubscription {
    if (this.#subscriptions.has(channel)) {
      throw new HublineError('invalid_option', `This node is subscribed to ${channel} already.`, { option: 'channel' });
    }
    const subscription = new Subscription(channel, deliver, { all: this.#subscriptions, ready: this.#subscribed });
    this.#subscriptions.set(channel, subscription);
    return subscription;
  }

  #receive(channel: string, payload: Uint8Array, from: ProcessId): void {
    const subscription = this.#subscriptions.get(channel);
    if (!subscription || this.#state !== 'up') return;
    this.#put(() => {
      if (this.#subscriptions.get(channel) !== subscription) return;
      try {
        subscription.deliver(payload, from);
      } catch (error) {
        this.#observer.report('deliver', error);
      }
    });
  }

  /** Runs a task in a later turn of the event loop, in order. */
  #put(task: () => void): void {
    if (this.#state !== 'up') return;
    this.#tasks.push(task);
    if (this.#tasks.length === 1) setImmediate(() => this.#run());
  }

  #run(): void {
    const tasks = this.#tasks;
    this.#tasks = [];
    for (const task of tasks) if (this.#state === 'up') task();
  }
}

const closed = (): HublineError<'backplane_unavailable'> => new HublineError('backplane_unavailable', 'The link is closed.', {});
