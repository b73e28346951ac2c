import { asError, HublineError, isForCaller, isHublineError, MessageType, type Close, type EndReason } from '@hubline/protocol';

type Broken = 'invalid_message' | 'message_too_large' | 'limit_exceeded' | 'negotiation_failed';
type Refused = 'unauthorized' | 'forbidden' | 'hub_error';

/** The reason why a connection ended, as `disconnected` gets it. Its code is in the table of {@link EndReason}. */
export type CloseReason =
  /** `error` has the text of the client's Close message. */
  | { readonly code: 'left' | 'connection_lost'; readonly error?: Error }
  | { readonly code: 'timed_out'; readonly error: HublineError<'timed_out'> }
  /** The `code` that was given to `disconnect` is `error.details.reason`. */
  | { readonly code: 'disconnected'; readonly error: HublineError<'disconnected'>; readonly allowReconnect?: boolean }
  | { readonly code: 'shutdown'; readonly error: HublineError<'shutdown'> }
  | { readonly code: 'slow_consumer'; readonly error: HublineError<'slow_consumer'> }
  | { readonly code: Broken; readonly error: Error }
  | { readonly code: Refused; readonly error: HublineError<Refused> }
  | { readonly code: 'internal'; readonly error: Error };

interface Ending {
  /** The Close message for a client that can still read it: whether it may reconnect. False: no Close message is sent. */
  readonly goodbye: false | { readonly allowReconnect: boolean };
  /** RFC 6455, 7.4.1. */
  readonly webSocketCode: number;
}

const BROKEN: Ending = { goodbye: { allowReconnect: false }, webSocketCode: 1000 };
const REFUSED: Ending = { goodbye: { allowReconnect: false }, webSocketCode: 1011 };

/** The Close message and the close code of each reason. */
export const ENDINGS: Record<EndReason, Ending> = {
  left: { goodbye: { allowReconnect: false }, webSocketCode: 1000 },
  connection_lost: { goodbye: false, webSocketCode: 1006 },
  timed_out: { goodbye: { allowReconnect: true }, webSocketCode: 1000 },
  disconnected: { goodbye: { allowReconnect: false }, webSocketCode: 1000 },
  shutdown: { goodbye: { allowReconnect: true }, webSocketCode: 1001 },
  slow_consumer: { goodbye: false, webSocketCode: 1006 }, // the client reads nothing, so it would not read a Close message
  invalid_message: BROKEN,
  message_too_large: BROKEN,
  limit_exceeded: BROKEN,
  negotiation_failed: BROKEN,
  unauthorized: REFUSED,
  forbidden: REFUSED,
  hub_error: REFUSED,
  internal: { goodbye: { allowReconnect: false }, webSocketCode: 1011 },
};

/** The reason of a connection whose client broke the protocol or one of its limits. */
export function brokenBy(thrown: unknown): CloseReason {
  const error = asError(thrown);
  return { code: isHublineError(error) && BROKEN === ENDINGS[error.code as EndReason] ? (error.code as Broken) : 'invalid_message', error };
}

/** Whether the client broke the protocol or one of its limits. */
export const isBroken = ({ code }: CloseReason): boolean => ENDINGS[code] === BROKEN;

/** The reason of a connection whose opening failed: an error that is meant for the client refuses it for good. */
export function failedBy(thrown: unknown): CloseReason {
  const error = asError(thrown);
  return isForCaller(error) ? { code: error.code, error } : { code: 'internal', error };
}

/** The Close message of a reason. */
export function goodbyeOf(
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

/** A failure may be temporary. Clients that have not announced Hubline get ASP.NET Core's answer. */
function allowsReconnect(reason: CloseReason, isHubline: boolean): boolean {
  if (reason.code === 'disconnected' && reason.allowReconnect !== undefined) return reason.allowReconnect;
  if (reason.code === 'internal' && isHubline) return true;
  const { goodbye } = ENDINGS[reason.code];
  return goodbye && goodbye.allowReconnect;
}

/** The text of the Close message. Without `detailedErrors` it has only errors that say nothing of the server's own affairs. */
function closeText({ error, code }: CloseReason, detailedErrors: boolean): string | undefined {
  if (!error || code === 'left' || code === 'shutdown') return undefined;
  const text = 'Connection closed with an error.';
  return detailedErrors || (isHublineError(error) && code !== 'internal') ? `${text} ${error.name}: ${error.message}` : text;
}

export function timedOut(what: string, timeoutMs: number): HublineError<'timed_out'> {
  return new HublineError('timed_out', `${what} for ${timeoutMs} ms.`, { timeoutMs });
}
