import { asError, HublineError, isForCaller, isHublineError, MessageType, type Close, type EndReason } from '@hubline/protocol';
import type { TransportEnd } from '../transports/index.ts';

type ProtocolErrorCode = 'invalid_message' | 'message_too_large' | 'limit_exceeded' | 'negotiation_failed';
type RefusalCode = 'unauthorized' | 'forbidden' | 'hub_error';

/** The reason why a connection ended, as `disconnected` gets it. {@link EndReason} documents the codes. */
export type CloseReason =
  /** `error` has the text of the client's Close message. */
  | { readonly code: 'left' | 'connection_lost'; readonly error?: Error }
  | { readonly code: 'timed_out'; readonly error: HublineError<'timed_out'> }
  /** The `code` that was given to `disconnect` is `error.details.reason`. */
  | { readonly code: 'disconnected'; readonly error: HublineError<'disconnected'>; readonly allowReconnect?: boolean }
  | { readonly code: 'shutdown'; readonly error: HublineError<'shutdown'> }
  | { readonly code: 'slow_consumer'; readonly error: HublineError<'slow_consumer'> }
  | { readonly code: ProtocolErrorCode; readonly error: Error }
  | { readonly code: RefusalCode; readonly error: HublineError<RefusalCode> }
  | { readonly code: 'internal'; readonly error: Error };

interface Ending {
  /** The Close message for a client that can still read it, or false for none. */
  readonly closeMessage: false | { readonly allowReconnect: boolean };
}

const PROTOCOL_ERROR: Ending = { closeMessage: { allowReconnect: false } };
const REFUSED: Ending = { closeMessage: { allowReconnect: false } };

/** The Close message of each reason. */
export const ENDINGS: Record<EndReason, Ending> = {
  left: { closeMessage: { allowReconnect: false } },
  connection_lost: { closeMessage: false },
  timed_out: { closeMessage: { allowReconnect: true } },
  disconnected: { closeMessage: { allowReconnect: false } },
  shutdown: { closeMessage: { allowReconnect: true } },
  slow_consumer: { closeMessage: false }, // the client reads nothing, so it would not read a Close message
  invalid_message: PROTOCOL_ERROR,
  message_too_large: PROTOCOL_ERROR,
  limit_exceeded: PROTOCOL_ERROR,
  negotiation_failed: PROTOCOL_ERROR,
  unauthorized: REFUSED,
  forbidden: REFUSED,
  hub_error: REFUSED,
  internal: { closeMessage: { allowReconnect: false } },
};

/** The reason of a connection whose client broke the protocol or one of its limits. */
export function protocolErrorReason(thrown: unknown): CloseReason {
  const error = asError(thrown);
  return {
    code:
      isHublineError(error) && PROTOCOL_ERROR === ENDINGS[error.code as EndReason] ? (error.code as ProtocolErrorCode) : 'invalid_message',
    error,
  };
}

/** The reason of a connection whose client has sent a Close. */
export const leftReason = ({ error }: Close): CloseReason => ({
  code: 'left',
  ...(error ? { error: new HublineError('hub_error', error, {}) } : {}),
});

/** The reason of a connection whose transport has closed without a Close message. */
export function transportEndReason({ code, error }: TransportEnd): CloseReason {
  if (code === 1002 && error) return protocolErrorReason(error);
  // A browser that leaves a page closes its socket without a Close message, and often without a code (1005).
  const isOrderly = code === 1000 || code === 1001 || code === 1005;
  return { code: isOrderly ? 'left' : 'connection_lost', ...(error ? { error } : {}) };
}

/** Whether the client broke the protocol or one of its limits. */
export const isProtocolError = ({ code }: CloseReason): boolean => ENDINGS[code] === PROTOCOL_ERROR;

/** The reason of a connection whose opening failed. An error that was made for the client refuses it for good. */
export function openingErrorReason(thrown: unknown): CloseReason {
  const error = asError(thrown);
  return isForCaller(error) ? { code: error.code, error } : { code: 'internal', error };
}

/** The Close message of a reason. */
export function closeMessageOf(
  reason: CloseReason,
  { isHubline, detailedErrors }: { readonly isHubline: boolean; readonly detailedErrors: boolean },
): Close {
  const text = closeText(reason, detailedErrors);
  const own = reason.code === 'disconnected' && reason.error.details.reason;
  return {
    type: MessageType.Close,
    ...(text ? { error: text } : {}),
    allowReconnect: allowsReconnect(reason, isHubline),
    ...(reason.code === 'left' ? {} : { code: reason.code }),
    ...(own ? { reason: own } : {}),
  };
}

/** Whether the client may reconnect. An internal failure may be temporary, but clients without Hubline expect ASP.NET Core's answer. */
function allowsReconnect(reason: CloseReason, isHubline: boolean): boolean {
  if (reason.code === 'disconnected' && reason.allowReconnect !== undefined) return reason.allowReconnect;
  if (reason.code === 'internal' && isHubline) return true;
  const { closeMessage } = ENDINGS[reason.code];
  return closeMessage && closeMessage.allowReconnect;
}

/** The text of the Close message. Without `detailedErrors` it names only errors that reveal nothing about the server. */
function closeText({ error, code }: CloseReason, detailedErrors: boolean): string | undefined {
  if (!error || code === 'left' || code === 'shutdown') return undefined;
  const text = 'Connection closed with an error.';
  return detailedErrors || (isHublineError(error) && code !== 'internal') ? `${text} ${error.name}: ${error.message}` : text;
}

export function timedOut(what: string, timeoutMs: number): HublineError<'timed_out'> {
  return new HublineError('timed_out', `${what} for ${timeoutMs} ms.`, { timeoutMs });
}
