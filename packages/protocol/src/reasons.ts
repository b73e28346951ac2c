import type { ErrorCode } from './errors.ts';

/**
 * The reasons why a connection ends. All but `left` are codes of errors, with the same meaning: the hook `disconnected` of the server
 * and the client's error have one code. docs/errors.md has a line for each.
 */
export const END_REASONS = [
  /** The client closed the connection in order. */
  'left',
  /** The transport broke without a close. */
  'connection_lost',
  /** The client was silent for too long. */
  'timed_out',
  /** The server's program ended the connection on purpose. */
  'disconnected',
  /** The server is draining or closing. */
  'shutdown',
  /** The client did not read what it was sent. */
  'slow_consumer',
  /** The client broke the protocol. */
  'invalid_message',
  /** The client sent more than the server takes, at once or altogether. */
  'message_too_large',
  'limit_exceeded',
  /** The handshake failed. */
  'negotiation_failed',
  /** The hook `connected` refused the client, for good. */
  'unauthorized',
  'forbidden',
  'hub_error',
  /** The server failed: the hook `connected` threw anything else, or was late. The client may come back. */
  'internal',
] as const satisfies readonly ('left' | ErrorCode)[];

export type EndReason = (typeof END_REASONS)[number];

/** The reasons why a watch of presence does not show a connection any more. */
export const LEAVE_REASONS = [
  /** The connection ended, for whichever {@link EndReason}. */
  'ended',
  /** The connection does not match the filter any more. */
  'changed',
  /** The connection's node ended, or its lease did. */
  'node_lost',
] as const satisfies readonly ('ended' | 'changed' | ErrorCode)[];

export type LeaveReason = (typeof LEAVE_REASONS)[number];
