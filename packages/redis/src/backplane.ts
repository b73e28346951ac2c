import { Redis } from 'ioredis';
import { EventEmitter } from 'node:events';
import type { Backplane, Link, LinkObserver, LinkState, LocalState, NodeInfo } from '@hubline/server/backplane';
import { RedisLink } from './redis-link.ts';
import {
  isPersistent,
  masked,
  RECONNECT_MS,
  refuse,
  REQUIRED_SETTINGS,
  settingsFrom,
  type ClientRole,
  type RedisAddress,
  type RedisBackplaneOptions,
  type RedisSettings,
} from './options.ts';
import { SingleStore } from './single-store.ts';
import { ClusterStore } from './cluster-store.ts';
import type { Store, StoreObserver } from './store.ts';

export interface RedisBackplaneEvents {
  /** Emitted once for an outage. On a Redis Cluster an outage may concern some masters; the channels and keys of the others stay usable. */
  down: [cause: Error];
  /** Emitted when all of Redis is usable again. */
  up: [outage: { readonly ms: number }];
  gap: Parameters<LinkObserver['gap']>;
}

export interface RedisBackplane extends Backplane {
  /** The options with defaults, and without secrets. */
  readonly options: Readonly<Record<string, unknown>>;
  /** The state of the link; `closed` before a server has opened one, and the worst state of several links. */
  readonly state: LinkState;
  /** Settles when every node that uses this value is registered. @throws HublineError `backplane_unavailable` */
  ready(): Promise<void>;
  /** Adds a listener, and returns a function that removes it. */
  on<E extends keyof RedisBackplaneEvents>(event: E, listener: (...args: RedisBackplaneEvents[E]) => void): () => void;
}

const WORST_FIRST: readonly LinkState[] = ['down', 'connecting', 'up', 'closed'];

/**
 * Joins nodes through Redis 7.0 or newer: standalone, behind sentinels, or a cluster.
 * @throws HublineError `invalid_option`
 */
export function redisBackplane(url?: string, options?: Omit<RedisBackplaneOptions, 'url'>): RedisBackplane;
export function redisBackplane(options: RedisBackplaneOptions): RedisBackplane;
export function redisBackplane(first?: string | RedisBackplaneOptions, rest: Omit<RedisBackplaneOptions, 'url'> = {}): RedisBackplane {
  const settings = settingsFrom(typeof first === 'string' ? { ...rest, url: first } : (first ?? rest));
  const events = new EventEmitter();
  const links = new Set<RedisLink>();

  function open(self: NodeInfo, local: LocalState, observer: LinkObserver): Link {
    const both: LinkObserver = {
      ...observer,
      down: (cause) => {
        observer.down(cause);
        events.emit('down', cause);
      },
      up: (outage) => {
        observer.up(outage);
        events.emit('up', outage);
      },
      gap: (gap) => {
        observer.gap(gap);
        events.emit('gap', gap);
      },
    };
    forgetClosed();
    const link = new RedisLink({ self, local, observer: both, settings, openStore: (storeObserver) => openStore(settings, storeObserver) });
    links.add(link);
    return link;
  }

  function forgetClosed(): void {
    for (const link of links) if (link.state === 'closed') links.delete(link);
  }

  return {
    open,
    options: masked(settings),
    get state() {
      const states = new Set([...links].map((link) => link.state));
      return WORST_FIRST.find((state) => states.has(state)) ?? 'closed';
    },
    async ready() {
      forgetClosed();
      await Promise.all([...links].map((link) => link.registered()));
    },
    on(event, listener) {
      const call = listener as (...args: unknown[]) => void;
      events.on(event, call);
      return () => void events.off(event, call);
    },
  };
}

function openStore(settings: RedisSettings, observer: StoreObserver): Store {
  const { cluster: seeds, natMap } = settings;
  const options = {
    clientFor: (role: ClientRole, address?: RedisAddress) => clientFor(role, settings, address),
    timeoutMs: settings.redisTimeoutMs,
  };
  return seeds ? new ClusterStore({ ...options, seeds, natMap }, observer) : new SingleStore(options, observer);
}

function clientFor(role: ClientRole, { connection, client, createClient }: RedisSettings, address?: RedisAddress): Redis {
  const { retryStrategy, connectTimeout } = connection;
  const settings = { ...connection, ...address };
  if (client) return client.duplicate({ ...REQUIRED_SETTINGS, retryStrategy, connectTimeout, ...address, lazyConnect: false });
  if (!createClient) return new Redis(settings);
  const made = createClient(role, settings);
  for (const [name, value] of Object.entries(REQUIRED_SETTINGS)) {
    const found: unknown = made.options[name as keyof typeof REQUIRED_SETTINGS];
    if (found === value) continue;
    made.disconnect();
    refuse('createClient', `The client for ${role} needs ${name}: ${value}, and has ${String(found)}.`);
  }
  if (!isPersistent(made)) {
    made.disconnect();
    refuse('createClient', `The client for ${role} needs a retryStrategy that tries again for ever, within ${RECONNECT_MS.most} ms.`);
  }
  if (made.status === 'wait') made.connect().catch(() => undefined); // an event reports the failure
  return made;
}
