import { checkKnown, checkName, HublineError } from '@hubline/protocol';
import type { Redis, RedisOptions } from 'ioredis';
import type { ConnectionOptions } from 'node:tls';

export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** The treatment of events for other nodes during an outage of Redis. Calls and other requests never wait. */
export type OnUnavailable =
  | {
      /** The size of the buffer in bytes. Default 16 MiB. Events beyond it are refused. */
      readonly bufferBytes: number;
      /** The longest wait of an event, in milliseconds. Default and minimum `nodeTimeoutMs` + 5,000: nodes need that time to subscribe again. */
      readonly bufferMs: number;
    }
  /** Events are refused: `confirmed` rejects `backplane_unavailable`. */
  | 'reject'
  /** Only connections of the sending node receive the event; no loss is reported. */
  | 'local-only';

export type ClientRole = 'commands' | 'subscriber';

type Buffered = Exclude<OnUnavailable, string>;

/** Options of the Redis backplane. An option overrides the URL, and the URL overrides the default. */
export interface RedisBackplaneOptions {
  /** `redis://user:password@host:6379/0`, `rediss://…` for TLS, `host:6379`, or `host1:6379,host2:6379` for a Redis Cluster. */
  readonly url?: string | undefined;
  /** Default `"127.0.0.1"`. */
  readonly host?: string | undefined;
  /** Default 6379. */
  readonly port?: number | undefined;
  readonly username?: string | undefined;
  readonly password?: string | undefined;
  /** Default 0. A database separates keys but not channels: {@link prefix} keeps applications apart. */
  readonly db?: number | undefined;
  /** Default false. True, or the options of Node's `tls.connect`. */
  readonly tls?: boolean | ConnectionOptions | undefined;
  /** Some nodes of a Redis Cluster; the backplane discovers the others. */
  readonly cluster?: readonly RedisAddress[] | undefined;
  /** Maps the addresses that a Redis Cluster announces to those that this process reaches: `{ '10.0.0.1:6379': { host: …, port: … } }`. */
  readonly natMap?: Readonly<Record<string, RedisAddress>> | undefined;
  /** Sentinels, and the name of the master that they watch. */
  readonly sentinels?:
    { readonly name: string; readonly nodes: readonly RedisAddress[]; readonly password?: string | undefined } | undefined;
  /** A client of the application. The backplane duplicates it with the settings that it needs, and never uses or closes the original. */
  readonly client?: Redis | undefined;
  /** Makes the clients, which the backplane then owns. They must have {@link REQUIRED_SETTINGS}, and retry for ever, within 250 ms. */
  readonly createClient?: ((role: ClientRole, settings: ClientSettings) => Redis) | undefined;
  /** Precedes the name of every key and channel. Default `"hubline"`. No spaces, braces or control characters. */
  readonly prefix?: string | undefined;
  /** Default true: a node serves its own clients until Redis can be reached. If false, `ready()` and `listen()` reject. */
  readonly startWithoutRedis?: boolean | undefined;
  /** The interval of heartbeats, which renew the lease, in milliseconds. Default 5,000. */
  readonly heartbeatIntervalMs?: number | undefined;
  /** The time without a heartbeat after which a node is lost, in milliseconds. Default 20,000; more than twice the interval. */
  readonly nodeTimeoutMs?: number | undefined;
  /** The time without an answer after which Redis counts as unreachable, in milliseconds. Default 2,000. */
  readonly redisTimeoutMs?: number | undefined;
  /** The time between the end of a node and the deletion of its last entries, in milliseconds. Default 60,000. */
  readonly sweepDelayMs?: number | undefined;
  /** The time for which a node keeps published messages, so that a node that missed one can request it. Default 10,000; at least two heartbeats. */
  readonly repairMs?: number | undefined;
  /** The size of the published messages that a node keeps, in bytes. Default 8 MiB. With 0 every missed message is a gap. */
  readonly repairBytes?: number | undefined;
  /** The treatment of events for other nodes during an outage. Default: they wait, within the limits of {@link OnUnavailable}. */
  readonly onUnavailable?: { readonly [K in keyof Buffered]?: Buffered[K] | undefined } | 'reject' | 'local-only' | undefined;
}

/** The ioredis settings that the backplane needs: no command in flight hangs or is sent twice, and names and answers are not changed. */
export const REQUIRED_SETTINGS = {
  enableOfflineQueue: false,
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  maxRetriesPerRequest: 0,
  disableClientInfo: true,
  keyPrefix: '',
  replyMapping: 'legacy',
  stringNumbers: false,
} as const satisfies RedisOptions;
export type ClientSettings = RedisOptions & typeof REQUIRED_SETTINGS;

/** All options, completed from the URL and the defaults. */
export interface RedisSettings {
  readonly connection: ClientSettings;
  readonly cluster: readonly RedisAddress[] | undefined;
  readonly natMap: Readonly<Record<string, RedisAddress>>;
  readonly client: Redis | undefined;
  readonly createClient: RedisBackplaneOptions['createClient'];
  readonly prefix: string;
  readonly startWithoutRedis: boolean;
  readonly heartbeatIntervalMs: number;
  readonly nodeTimeoutMs: number;
  readonly redisTimeoutMs: number;
  readonly sweepDelayMs: number;
  readonly repairMs: number;
  readonly repairBytes: number;
  readonly onUnavailable: OnUnavailable;
}

/** The prefix of applications that set none. */
export const DEFAULT_PREFIX = 'hubline';

/** 16 MiB. */
export const BUFFER_BYTES = 16 * 1024 * 1024;

/** The longest delay of Node's timers. A timer with a longer delay fires at once. */
const MOST_MS = 2 ** 31 - 1;

/** The shortest and the longest delay between attempts to reconnect. */
export const RECONNECT_MS = { least: 50, most: 250 };

const MANY_TRIES = 1000;

const OPTIONS: Readonly<Record<keyof RedisBackplaneOptions, true>> = {
  url: true,
  host: true,
  port: true,
  username: true,
  password: true,
  db: true,
  tls: true,
  cluster: true,
  natMap: true,
  sentinels: true,
  client: true,
  createClient: true,
  prefix: true,
  startWithoutRedis: true,
  heartbeatIntervalMs: true,
  nodeTimeoutMs: true,
  redisTimeoutMs: true,
  sweepDelayMs: true,
  repairMs: true,
  repairBytes: true,
  onUnavailable: true,
};

/** Checks the options, and completes them. @throws HublineError `invalid_option` */
export function settingsFrom(options: RedisBackplaneOptions): RedisSettings {
  checkKnown(options, Object.keys(OPTIONS), { within: 'options' });
  const {
    prefix = DEFAULT_PREFIX,
    startWithoutRedis = true,
    heartbeatIntervalMs = 5000,
    nodeTimeoutMs = 20_000,
    redisTimeoutMs = 2000,
    sweepDelayMs = 60_000,
    repairMs = Math.max(10_000, 2 * heartbeatIntervalMs),
    repairBytes = 8 * 1024 * 1024,
    onUnavailable = {},
  } = options;
  if (!/^[^\s{}\p{Cc}]+$/u.test(checkName(prefix, 'prefix')))
    refuse('prefix', 'A prefix has no spaces, braces or control characters, and is not empty.');
  for (const [option, ms] of Object.entries({ heartbeatIntervalMs, nodeTimeoutMs, redisTimeoutMs, sweepDelayMs, repairMs })) {
    if (!Number.isInteger(ms) || ms <= 0 || ms > MOST_MS)
      refuse(option, `${option} is a whole number of milliseconds, from 1 to ${MOST_MS}.`);
  }
  if (nodeTimeoutMs <= 2 * heartbeatIntervalMs) {
    refuse('nodeTimeoutMs', `nodeTimeoutMs (${nodeTimeoutMs}) must be more than twice heartbeatIntervalMs (${heartbeatIntervalMs}).`);
  }
  if (repairMs < 2 * heartbeatIntervalMs) {
    refuse(
      'repairMs',
      `repairMs (${repairMs}) must be at least twice heartbeatIntervalMs (${heartbeatIntervalMs}): a heartbeat may be missed.`,
    );
  }
  if (!Number.isSafeInteger(repairBytes) || repairBytes < 0) refuse('repairBytes', 'repairBytes is a whole number of bytes, or 0.');
  const seeds = options.cluster ?? clusterIn(options.url);
  if (seeds?.length === 0) refuse('cluster', 'The list of nodes of a Redis Cluster is empty.');
  // In a list, the first URL has the credentials of all nodes.
  const { host, port, ...access } = options.url === undefined ? {} : parseUrl(options.url.split(',')[0] ?? '');
  const fromUrl = seeds ? access : { ...(host && { host }), ...(port && { port }), ...access };
  if (options.sentinels) checkKnown(options.sentinels, ['name', 'nodes', 'password'], { within: 'sentinels' });
  const connection = connectionFrom(options, fromUrl, redisTimeoutMs);
  if (seeds && connection.db) refuse('db', 'A Redis Cluster has only database 0. Use a prefix to keep applications apart.');
  return {
    connection,
    cluster: seeds,
    natMap: options.natMap ?? {},
    client: options.client,
    createClient: options.createClient,
    prefix,
    startWithoutRedis,
    heartbeatIntervalMs,
    nodeTimeoutMs,
    redisTimeoutMs,
    sweepDelayMs,
    repairMs,
    repairBytes,
    onUnavailable: policyFrom(onUnavailable, nodeTimeoutMs),
  };
}

function connectionFrom(options: RedisBackplaneOptions, fromUrl: RedisOptions, redisTimeoutMs: number): ClientSettings {
  const { host, port, username, password, db, tls, sentinels } = options;
  const given = {
    host,
    port,
    username,
    password,
    db,
    tls:
      tls === true ? {}
      : tls === false ? undefined
      : tls,
  };
  return {
    host: '127.0.0.1',
    port: 6379,
    ...fromUrl,
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)),
    ...(tls === false ? { tls: undefined } : {}),
    ...(sentinels && {
      name: sentinels.name,
      sentinels: [...sentinels.nodes],
      sentinelPassword: sentinels.password,
      sentinelRetryStrategy: randomDelay,
    }),
    ...REQUIRED_SETTINGS,
    connectTimeout: redisTimeoutMs,
    retryStrategy: randomDelay,
  };
}

/** Returns a random delay: all nodes notice an outage at the same time, and should not reconnect at the same time. */
const randomDelay = (): number => RECONNECT_MS.least + Math.random() * (RECONNECT_MS.most - RECONNECT_MS.least);

/** Whether a client retries for ever, with short enough delays. */
export function isPersistent({ options: { retryStrategy } }: Redis): boolean {
  const ms = retryStrategy?.(MANY_TRIES);
  return typeof ms === 'number' && ms <= RECONNECT_MS.most;
}

function policyFrom(policy: NonNullable<RedisBackplaneOptions['onUnavailable']>, nodeTimeoutMs: number): OnUnavailable {
  if (typeof policy === 'string') {
    if (policy !== 'reject' && policy !== 'local-only') refuse('onUnavailable', `There is no policy '${String(policy)}'.`);
    return policy;
  }
  checkKnown(policy, ['bufferBytes', 'bufferMs'], { within: 'onUnavailable' });
  const leastMs = nodeTimeoutMs + 5000;
  const { bufferBytes = BUFFER_BYTES, bufferMs = leastMs } = policy;
  if (typeof bufferMs !== 'number' || !(bufferMs >= leastMs))
    refuse('onUnavailable', `bufferMs is at least nodeTimeoutMs + 5000 (${leastMs}): nodes need that time to subscribe again.`);
  if (!(bufferBytes > 0)) refuse('onUnavailable', 'bufferBytes is a number of bytes above 0.');
  return { bufferBytes, bufferMs };
}

function clusterIn(url: string | undefined): readonly RedisAddress[] | undefined {
  const parts = (url ?? '').split(',').map((part) => part.trim());
  if (parts.some(isDotNet)) refuse('url', dotNetAdvice(parts));
  if (parts.length === 1) return undefined;
  return parts.map((part) => {
    const { host = '', port = 6379 } = parseUrl(part);
    return { host, port };
  });
}

/** @throws HublineError `invalid_option` */
function parseUrl(text: string): RedisOptions {
  const hasScheme = /^[a-z]+:\/\//i.test(text);
  const whole = hasScheme ? text : `redis://${text}`;
  const url = URL.canParse(whole) ? new URL(whole) : undefined;
  if (!url?.hostname || !['redis:', 'rediss:'].includes(url.protocol) || !isEncoded(url.username + url.password)) {
    refuse('url', 'A Redis URL is redis://user:password@host:6379/0, percent-encoded, rediss://… for TLS, or host:6379.');
  }
  const db = url.pathname.slice(1) || url.searchParams.get('db');
  if (db && !/^\d+$/.test(db)) refuse('url', 'The path of a Redis URL is the number of a database.');
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    ...(url.port && { port: Number(url.port) }),
    ...(url.username && { username: decodeURIComponent(url.username) }),
    ...(url.password && { password: decodeURIComponent(url.password) }),
    ...(db && { db: Number(db) }),
    ...(url.protocol === 'rediss:' && { tls: {} }),
  };
}

function isEncoded(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

/** Hubline's options for the settings of StackExchange.Redis (https://stackexchange.github.io/StackExchange.Redis/Configuration). */
const DOT_NET: Readonly<Record<string, (value: string) => string>> = {
  abortconnect: (value) => `startWithoutRedis: ${value.toLowerCase() === 'false'}`,
  password: () => `password: '…'`,
  user: (value) => `username: '${value}'`,
  ssl: (value) => `tls: ${value.toLowerCase()}`,
  defaultdatabase: (value) => `db: ${value}`,
  channelprefix: (value) => `prefix: '${value}'`,
  synctimeout: (value) => `redisTimeoutMs: ${value}`,
  connecttimeout: (value) => `redisTimeoutMs: ${value}`,
};

/** Whether the text is a setting of StackExchange.Redis. A URL may have an equals sign in its password or query. */
const isDotNet = (part: string): boolean => /^\$?\w+\s*=/.test(part);

function dotNetAdvice(parts: readonly string[]): string {
  const hosts = parts.filter((part) => !isDotNet(part));
  const settings = parts.filter(isDotNet).map((part) => [part.slice(0, part.indexOf('=')), part.slice(part.indexOf('=') + 1)]);
  const known = settings.flatMap(([name = '', value = '']) => DOT_NET[name.toLowerCase()]?.(value) ?? []);
  const unknown = settings.flatMap(([name = '']) => (name.toLowerCase() in DOT_NET ? [] : name));
  const call = `redisBackplane('${hosts.join(',') || 'localhost:6379'}', { ${[...new Set(known)].join(', ')} })`;
  return `This is a connection string of StackExchange.Redis. Write ${call}${unknown.length > 0 ? `; no option corresponds to ${unknown.join(', ')}` : ''}.`;
}

/** Returns the settings without secrets. */
export function masked({ connection, client, createClient, natMap, ...settings }: RedisSettings): Readonly<Record<string, unknown>> {
  const { host, port, username, password, db, tls, sentinels, name } = connection;
  return Object.freeze({
    ...settings,
    ...(Object.keys(natMap).length > 0 ? { natMap } : {}),
    ...(client || createClient || settings.cluster ? {} : { host, port, db: db ?? 0 }),
    ...(username === undefined ? {} : { username }),
    ...(password === undefined ? {} : { password: '***' }),
    tls: tls !== undefined,
    ...(sentinels ? { sentinels: { name, nodes: sentinels } } : {}),
    clients:
      client ? 'duplicates of yours'
      : createClient ? 'made by yours'
      : 'its own',
  });
}

export function refuse(option: string, message: string): never {
  throw new HublineError('invalid_option', message, { option });
}
