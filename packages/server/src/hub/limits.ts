import { checkKnown, given, HublineError } from '@hubline/protocol';
import type { CallLimits, ConnectionLimits, InputLimits } from '../connection/index.ts';

/** The limits on the resources that clients use, each and together. They are never negotiated, and an honest client does not reach them. */
export interface Limits extends CallLimits, ConnectionLimits, InputLimits {
  /** The largest message that a client may send, in bytes. Default 32768, as in SignalR. */
  readonly maxMessageBytes: number;
  /** The largest WebSocket message to a connection handler. Default 1 MiB; a larger one closes the socket with 1009. Hubs have no such limit. */
  readonly maxFrameBytes: number;
  /** Bytes that may be buffered for a client that does not read. Default 4 MiB; above it the connection ends. */
  readonly maxBufferedBytes: number;
  /** Groups that one connection may be in. Default 1000; a join beyond it rejects with `limit_exceeded`. */
  readonly maxGroups: number;
}

/** Limits of the whole node, and of connection handlers, which a hub cannot set. */
const OF_SERVER = [
  'maxConnections',
  'maxConnectionsPerAddress',
  'maxConnectionsPerUser',
  'maxHandshakesPerSecond',
  'maxHandshakesPerSecondPerAddress',
  'maxAuthentications',
  'maxAuthenticationsPerAddress',
  'maxFrameBytes',
] as const satisfies readonly (keyof ConnectionLimits | 'maxFrameBytes')[];

/** The limits of one connection, which a hub may set for itself. */
export type HubLimits = { readonly [K in keyof Omit<Limits, keyof ConnectionLimits | 'maxFrameBytes'>]?: number | undefined };

/** Merges a hub's own limits into the server's. @throws HublineError `invalid_option` */
export function limitsFor(limits: Limits, own: HubLimits = {}): Limits {
  const names = Object.keys(limits).filter((name) => !OF_SERVER.some((each) => each === name));
  checkKnown(own, names, { within: 'limits', fault: 'is no limit of a hub' });
  return positive('limits', { ...limits, ...given(own) });
}

/** Checks that all numbers of a group of options are positive. @throws HublineError `invalid_option` */
export function positive<T extends object>(group: string, numbers: T): T {
  for (const [name, value] of Object.entries(numbers)) {
    if (typeof value === 'number' && value > 0) continue;
    throw new HublineError('invalid_option', `${group}.${name} must be a positive number.`, { option: `${group}.${name}` });
  }
  return numbers;
}
