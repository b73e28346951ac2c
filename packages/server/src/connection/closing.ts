import { HublineError, isForCaller, isHublineError, MessageType, type AnyHublineError, type Close } from '@hubline/protocol';

/** Why a connection ended: what `disconnected` is told. */
export type CloseReason =
  /** The client said goodbye; `error` is what it said. */
  | { readonly code: 'normal'; readonly error?: Error }
  /** The pipe broke without a goodbye. */
  | { readonly code: 'network'; readonly error?: Error }
  /** The client was silent for too long. */
  | { readonly code: 'timeout'; readonly error: Error }
  /** The server ended it: `disconnect`. */
  | { readonly code: 'kicked'; readonly error: Error }
  /** The server is going away. */
  | { readonly code: 'shutdown'; readonly error: Error }
  /** The client broke the protocol or one of its limits. */
  | { readonly code: 'protocol'; readonly error: Error }
  /** The client did not take what it was sent. */
  | { readonly code: 'slow_consumer'; readonly error: Error }
  /** The server failed: `connected` threw. */
  | { readonly code: 'failed'; readonly error: Error };

interface Ending {
  /** What the client is told, if it is still there: whether to come back. */
  readonly goodbye: false | { readonly allowReconnect: boolean };
  /** RFC 6455, 7.4.1. */
  readonly webSocketCode: number;
}

/** One row a reason: what the client is told, and what it does next. */
export const ENDINGS: Record<CloseReason['code'], Ending> = {
  normal: { goodbye: { allowReconnect: false }, webSocketCode: 1000 },
  network: { goodbye: false, webSocketCode: 1006 },
  timeout: { goodbye: { allowReconnect: true }, webSocketCode: 1000 },
  kicked: { goodbye: { allowReconnect: false }, webSocketCode: 1000 },
  shutdown: { goodbye: { allowReconnect: true }, webSocketCode: 1001 },
  protocol: { goodbye: { allowReconnect: false }, webSocketCode: 1000 },
  slow_consumer: { goodbye: false, webSocketCode: 1006 }, // it takes nothing, so it would not take a goodbye
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
  return { type: MessageType.Close, ...(text ? { error: text } : {}), allowReconnect, ...(code ? { code } : {}) };
}

/**
 * Whether the client is told to come back. What made `connected` fail may pass, so only an error that is meant for the client
 * (`forbidden`, `unauthorized`, `hubError`) refuses it for good. Clients that have not announced Hubline are told what ASP.NET Core says.
 */
function allowsReconnect(reason: CloseReason, isHubline: boolean): boolean {
  const { goodbye } = ENDINGS[reason.code];
  if (reason.code === 'failed' && isHubline) return toldError(reason) === undefined;
  return goodbye && goodbye.allowReconnect;
}

/** What the Close message says. Of what `connected` threw, only errors made for the caller are told, unless details are asked for. */
function closeText(reason: CloseReason, detailedErrors: boolean): string | undefined {
  const { error, code } = reason;
  if (!error || code === 'normal' || code === 'shutdown') return undefined;
  const text = 'Connection closed with an error.';
  return detailedErrors || toldError(reason) ? `${text} ${error.name}: ${error.message}` : text;
}

/** The code beside it. A client that said goodbye itself is told none. */
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
