import type { ErrorCode } from './errors.ts';

/**
 * The reasons why a connection ends. All but `left` are error codes, and the client's error has the same code. docs/reference/errors.md has a line
 * for each.
 */
export const END_REASONS = [
  /** The client closed the connection. */
  'left',
  /** The transport broke without a close. */
  'connection_lost',
  /** The client sent nothing within the time limit. */
  'timed_out',
  /** The server's program ended the connection on purpose. */
  'disconnected',
  /** The server is draining or closing. */
  'shutdown',
  /** The client did not read its messages fast enough. */
  'slow_consumer',
  /** The client broke the protocol. */
  'invalid_message',
  /** The client exceeded the size limit of a message, or another limit. */
  'message_too_large',
  'limit_exceeded',
  /** The handshake failed. */
  'negotiation_failed',
  /** The hook `connected` refused the client, which must not reconnect. */
  'unauthorized',
  'forbidden',
  'hub_error',
  /** The hook `connected` threw another error or exceeded its time limit. The client may reconnect. */
  'internal',
] as const satisfies readonly ('left' | ErrorCode)[];

export type EndReason = (typeof END_REASONS)[number];

/** The reasons why a watch of presence reports that a connection left. */
export const LEAVE_REASONS = [
  /** The connection ended, for any {@link EndReason}. */
  'ended',
  /** The connection does not match the filter any more. */
  'changed',
  /** The node of the connection ended, or its lease expired. */
  'node_lost',
] as const satisfies readonly ('ended' | 'changed' | ErrorCode)[];

export type LeaveReason = (typeof LEAVE_REASONS)[number];
