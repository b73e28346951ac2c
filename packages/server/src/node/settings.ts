import { checkKnown, given, HublineError, jsonCodec, type Codec } from '@hubline/protocol';
import { systemClock, type Clock, type ConnectionTimeouts } from '../connection/index.ts';
import { positive, type Limits } from '../hub/index.ts';
import type { LongPollingTimeouts } from '../transports/index.ts';

/** Time limits, in milliseconds. */
export interface Timeouts extends ConnectionTimeouts, LongPollingTimeouts {
  /** For one run of `authenticate`. Default 10000. */
  readonly authenticateMs: number;
  /** From negotiation to the opening of the transport. Default 15000. */
  readonly connectMs: number;
  /** For an invocation of clients. Default 30000. */
  readonly callMs: number;
  /** `invokeOne`: for each client. Default 5000. */
  readonly attemptMs: number;
  /** For commands from one node to another: groups, attributes, disconnects. Default 10000. */
  readonly commandMs: number;
  /** How long a topic stays subscribed after its last member has left. Default 5000. */
  readonly lingerMs: number;
  /** How long a client may take to answer a close. Default 5000. */
  readonly closeMs: number;
}

export interface ServerSettings {
  readonly codecs: ReadonlyMap<string, Codec>;
  readonly limits: Limits;
  readonly timeouts: Timeouts;
  readonly clock: Clock;
}

/** An undefined option means its default. */
type Given<T> = { readonly [K in keyof T]?: T[K] | undefined };

export interface SettingsOptions {
  readonly limits?: Given<Limits> | undefined;
  readonly timeouts?: Given<Timeouts> | undefined;
  /**
   * The protocols that clients may speak, side by side on every hub. Default `[jsonCodec]`; MessagePack is in
   * `@hubline/server/messagepack`. All nodes of a cluster should have the same: a message in a protocol that a client does not speak is
   * converted on arrival, and lost for that client if it cannot be converted.
   */
  readonly protocols?: readonly Codec[] | undefined;
}

/** Returns the settings of a server, with their defaults, which no other place knows. @throws HublineError `invalid_option` */
export function settingsFrom(
  { limits = {}, timeouts = {}, protocols = [jsonCodec] }: SettingsOptions,
  clock = systemClock,
): ServerSettings {
  return {
    clock,
    codecs: byName(protocols),
    limits: withDefaults('limits', limits, {
      maxMessageBytes: 32 * 1024,
      maxFrameBytes: 1024 * 1024,
      maxBufferedBytes: 4 * 1024 * 1024,
      maxParallelCalls: 1,
      maxQueuedCalls: 128,
      maxQueuedBytes: 1024 * 1024,
      maxMessagesPerSecond: 20_000,
      maxBytesPerSecond: 16 * 1024 * 1024,
      maxOpenCalls: 1024,
      uploadCapacity: 10,
      maxGroups: 1000,
      maxConnections: 50_000,
      maxConnectionsPerAddress: 1000,
      maxConnectionsPerUser: 500,
      maxHandshakesPerSecond: 500,
      maxHandshakesPerSecondPerAddress: 250,
      maxAuthentications: 1024,
      maxAuthenticationsPerAddress: 256,
    }),
    timeouts: withDefaults('timeouts', timeouts, {
      authenticateMs: 10_000,
      connectMs: 15_000,
      handshakeMs: 15_000,
      openingMs: 15_000,
      connectedMs: 30_000,
      messageMs: 60_000,
      creditMs: 300_000,
      keepAliveMs: 15_000,
      clientMs: 30_000,
      callMs: 30_000,
      attemptMs: 5_000,
      commandMs: 10_000,
      lingerMs: 5_000,
      pollMs: 90_000,
      disconnectMs: 15_000,
      sendMs: 10_000,
      closeMs: 5_000,
    }),
  };
}

/** The time limits that are checked at heartbeats. The others have timers of their own. */
const CHECKED_BY_HEARTBEAT = [
  'connectMs',
  'handshakeMs',
  'openingMs',
  'connectedMs',
  'messageMs',
  'creditMs',
  'keepAliveMs',
  'clientMs',
  'pollMs',
  'disconnectMs',
  'sendMs',
] as const satisfies readonly (keyof Timeouts)[];

/** The interval of the heartbeat: short enough that no time limit is exceeded by more than a fraction of it. */
export function heartbeatMs(timeouts: Pick<Timeouts, (typeof CHECKED_BY_HEARTBEAT)[number]>): number {
  const shortestMs = Math.min(...CHECKED_BY_HEARTBEAT.map((name) => timeouts[name]));
  return Math.max(1, Math.min(1000, Math.floor(shortestMs / 3)));
}

function byName(protocols: unknown): ReadonlyMap<string, Codec> {
  const list = Array.isArray(protocols) ? (protocols as readonly (Codec | null | undefined)[]) : [];
  const codecs = new Map(list.flatMap((codec) => (typeof codec?.decoder === 'function' ? [[codec.name, codec] as const] : [])));
  if (codecs.size > 0 && codecs.size === list.length) return codecs;
  throw new HublineError('invalid_option', 'protocols must name at least one protocol, and none twice.', { option: 'protocols' });
}

/** @throws HublineError `invalid_option` */
function withDefaults<T extends object>(group: string, own: Given<T>, defaults: T): T {
  checkKnown(own, Object.keys(defaults), { within: group });
  return positive(group, { ...defaults, ...given(own) });
}
