import {
  EnvelopeKind,
  type Backplane,
  type Bus,
  type Directory,
  type Link,
  type LinkObserver,
  type NodeInfo,
} from '../../src/backplane/index.ts';

export interface Delivery {
  /** The receiving node. */
  readonly nodeId: string;
  readonly channel: string;
}

/** A backplane that records messages, subscriptions and watches, and can alter and hold messages. */
export interface TappedBackplane extends Backplane {
  /** The messages for clients that nodes have received. */
  readonly deliveries: Delivery[];
  /** The channels of the published messages for clients. */
  readonly published: string[];
  /** The keys of the messages that may replace an older one. */
  readonly keys: string[];
  /** Returns the channels that a node is subscribed to. */
  channels(nodeId: string): readonly string[];
  /** Returns the topics that a node watches. */
  watches(nodeId: string): readonly string[];
  /** Alters each payload that a node publishes. */
  alter: (nodeId: string, payload: Uint8Array) => Uint8Array;
  /** Returns a promise that delays the messages of a channel. */
  hold: (channel: string) => Promise<void> | undefined;
  /** Wraps each snapshot that a node reads. */
  around: <T>(read: () => Promise<T>) => Promise<T>;
  /** Reports a node's watches as stale. */
  stale(nodeId: string): void;
  /** Publishes any payload as the node. */
  publish(nodeId: string, channel: string, payload: Uint8Array): Promise<void>;
}

export function tapBackplane(backplane: Backplane): TappedBackplane {
  const deliveries: Delivery[] = [];
  const published: string[] = [];
  const keys: string[] = [];
  const channels = new Map<string, Set<string>>();
  const watches = new Map<string, string[]>();
  const buses = new Map<string, Bus>();
  const observers = new Map<string, LinkObserver>();
  const isDelivery = (payload: Uint8Array): boolean => payload[1] === EnvelopeKind.deliver;

  function tapBus(bus: Bus, { nodeId }: NodeInfo): Bus {
    const open = new Set<string>();
    channels.set(nodeId, open);
    buses.set(nodeId, bus);
    return {
      publish(channel, payload, options) {
        if (isDelivery(payload)) published.push(channel);
        if (options?.replaces !== undefined) keys.push(options.replaces);
        return bus.publish(channel, tap.alter(nodeId, payload), options);
      },
      subscribe(channel, deliver) {
        let held: Promise<void> | undefined;
        const { ready, close } = bus.subscribe(channel, (payload, from) => {
          if (isDelivery(payload)) deliveries.push({ nodeId, channel });
          const until = held ?? tap.hold(channel);
          if (until) held = until.then(() => deliver(payload, from));
          else deliver(payload, from);
        });
        open.add(channel);
        return {
          ready,
          close() {
            open.delete(channel);
            close();
          },
        };
      },
    };
  }

  function tapDirectory(directory: Directory, { nodeId }: NodeInfo): Directory {
    const held: string[] = [];
    watches.set(nodeId, held);
    return {
      changed: (change) => directory.changed(change),
      nodes: () => directory.nodes(),
      counts: (topics) => directory.counts(topics),
      members: (topic, page) => directory.members(topic, page),
      membersOf: (process, topic) => directory.membersOf(process, topic),
      records: (ids) => directory.records(ids),
      topics: (prefix, page) => directory.topics(prefix, page),
      snapshot: (topics) => tap.around(() => directory.snapshot(topics)),
      async watch(topic) {
        const lease = await directory.watch(topic);
        held.push(topic);
        return {
          close() {
            held.splice(held.indexOf(topic), 1);
            return lease.close();
          },
        };
      },
    };
  }

  const tap: TappedBackplane = {
    deliveries,
    published,
    keys,
    alter: (_nodeId, payload) => payload,
    hold: () => undefined,
    around: (read) => read(),
    channels: (nodeId) => [...(channels.get(nodeId) ?? [])].sort(),
    watches: (nodeId) => watches.get(nodeId) ?? [],
    stale: (nodeId) => observers.get(nodeId)?.stale(),
    publish: (nodeId, channel, payload) => buses.get(nodeId)?.publish(channel, payload) ?? Promise.reject(new Error(`No node ${nodeId}`)),
    open(self, local, observer): Link {
      const link = backplane.open(self, local, observer);
      observers.set(self.nodeId, observer);
      return {
        bus: tapBus(link.bus, self),
        directory: tapDirectory(link.directory, self),
        get state() {
          return link.state;
        },
        ready: () => link.ready(),
        close: () => link.close(),
      };
    },
  };
  return tap;
}
