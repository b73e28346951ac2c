import { HublineError, isForCaller, isHublineError, MessageType, type AnyHublineError, type Close } from '@hubline/protocol';

/** The reason why a connection ended, as `disconnected` gets it. */
export type CloseReason =
  /** The client closed the connection in order; `error` has the text of its Close message. */
  | { readonly code: 'normal'; readonly error?: Error }
  /** The transport broke without a close. */
  | { readonly code: 'network'; readonly error?: Error }
  /** The client was silent for too long. */
  | { readonly code: 'timeout'; readonly error: Error }
  /** The server ended the connection: `disconnect`. The `code` that was given there is `error.details.reason`. */
  | { readonly code: 'kicked'; readonly error: HublineError<'disconnected'>; readonly allowReconnect?: boolean }
  /** The server is draining or closing. */
  | { readonly code: 'shutdown'; readonly error: Error }
  /** The client broke the protocol or one of its limits. */
  | { readonly code: 'protocol'; readonly error: Error }
  /** The client did not read what it was sent. */
  | { readonly code: 'slow_consumer'; readonly error: Error }
  /** The server failed: `connected` threw. */
  | { readonly code: 'failed'; readonly error: Error };

interface Ending {
  /** The Close message for a client that can still read it: whether it may reconnect. False: no Close message is sent. */
  readonly goodbye: false | { readonly allowReconnect: boolean };
  /** RFC 6455, 7.4.1. */
  readonly webSocketCode: number;
}

/** The Close message and the close code of each reason. */
export const ENDINGS: Record<CloseReason['code'], Ending> = {
  normal: { goodbye: { allowReconnect: false }, webSocketCode: 1000 },
  network: { goodbye: false, webSocketCode: 1006 },
  timeout: { goodbye: { allowReconnect: true }, webSocketCode: 1000 },
  kicked: { goodbye: { allowReconnect: false }, webSocketCode: 1000 },
  shutdown: { goodbye: { allowReconnect: true }, webSocketCode: 1001 },
  protocol: { goodbye: { allowReconnect: false }, webSocketCode: 1000 },
  slow_consumer: { goodbye: false, webSocketCode: 1006 }, // the client reads nothing, so it would not read a Close message
  failed: { goodbye: { allowReconnect: false }, webSocketCode: 1011 },
};

/** The Close message of a reason. */
export function goodbyeOf(
  reason: CloseReason,
  { isHubline, detailedErrors }: { readonly isHubline: boolean; readonly detailedErrors: boolean },
): Close {
  const text = closeText(reason, detailedErrors);
  const code = closeCode(reason);
  const allowReconnect = allowsReconnect(reason, isHubline);
  const own = reason.code === 'kicked' && reason.error.details.reason;
  return {
    type: MessageType.Close,
    ...(text ? { error: text } : {}),
    allowReconnect,
    ...(code ? { code } : {}),
    ...(own ? { reason: own } : {}),
  };
}

/**
 * Whether the Close message allows the client to reconnect. A failure of `connected` may be temporary, so only an error for the client
 * (`forbidden`, `unauthorized`, `hubError`) refuses it for good. Clients that have not announced Hubline get ASP.NET Core's answer.
 */
function allowsReconnect(reason: CloseReason, isHubline: boolean): boolean {
  const { goodbye } = ENDINGS[reason.code];
  if (reason.code === 'kicked' && reason.allowReconnect !== undefined) return reason.allowReconnect;
  if (reason.code === 'failed' && isHubline) return toldError(reason) === undefined;
  return goodbye && goodbye.allowReconnect;
}

/** The text of the Close message. Without `detailedErrors` it has only those errors of `connected` that were made for the client. */
function closeText(reason: CloseReason, detailedErrors: boolean): string | undefined {
  const { error, code } = reason;
  if (!error || code === 'normal' || code === 'shutdown') return undefined;
  const text = 'Connection closed with an error.';
  return detailedErrors || toldError(reason) ? `${text} ${error.name}: ${error.message}` : text;
}

/** The code beside the text. There is none where the client itself closed the connection. */
function closeCode(reason: CloseReason): string | undefined {
  if (reason.code === 'normal') return undefined;
  return toldError(reason)?.code ?? (reason.code === 'failed' ? 'internal' : undefined);
}

function toldError({ error, code }: CloseReason): AnyHublineError | undefined {
  return isHublineError(error) && (code !== 'failed' || isForCaller(error)) ? error : undefined;
}

export function timedOut(what: string, timeoutMs: number): HublineError<'timed_out'> {
  return new HublineError('timed_out', `${what} for ${timeoutMs} ms.`, { timeoutMs });
}
