import { asError, isForCaller, type HublineError } from '@hubline/protocol';
import type { Failure } from '../connection/index.ts';

/** The failures of calls: SignalR's text for the client, and Hubline's error code beside it. */
export const unknownMethod = (method: string): Failure => ({
  text: `Unknown hub method '${method}'`,
  code: 'unknown_method',
  details: { method },
});

export const notAuthorized = (method: string, code: 'unauthorized' | 'forbidden'): Failure => ({
  text: `Failed to invoke '${method}' because user is unauthorized`,
  code,
  details: { method },
});

export const badArguments = (method: string, issues: readonly string[]): Failure => ({
  text: `Failed to invoke '${method}' due to an error on the server.`,
  code: 'invalid_arguments',
  details: { method, issues },
});

/** SignalR's text. */
export const wrongCount = (sent: number, [least, most]: readonly [number, number]): string =>
  `Invocation provides ${sent} argument(s) but target expects ${least === most ? least : `${least} to ${most}`}.`;

export const streamNeedsStream = (method: string): Failure =>
  wrongKind(method, `The client attempted to invoke the streaming '${method}' method with a non-streaming invocation.`);
export const callNeedsCall = (method: string): Failure =>
  wrongKind(method, `The client attempted to invoke the non-streaming '${method}' method with a streaming invocation.`);
export const wrongUploads = (method: string, { sent, expected }: { readonly sent: number; readonly expected: number }): Failure =>
  wrongKind(method, `Client sent ${sent} stream(s), Hub method expects ${expected}.`);
export const noStream = (method: string): Failure => ({
  text: `The value returned by the streaming method '${method}' is not a ChannelReader<> or IAsyncEnumerable<>.`,
  code: 'internal',
  details: { method },
});

/** The failure of a call that was cancelled while it was queued. */
export const cancelledBefore = (method: string): Failure => ({
  text: `${failedInvoking(method)} HubException: The caller of '${method}' has cancelled it.`,
  code: 'cancelled',
  details: { method },
});

const wrongKind = (method: string, text: string): Failure => ({ text, code: 'invalid_arguments', details: { method } });

/** The text for a failure before the result; {@link FAILED_STREAMING} is the text for a failure while items were sent. */
export const failedInvoking = (method: string): string => `An unexpected error occurred invoking '${method}' on the server.`;
export const FAILED_STREAMING = 'An error occurred on the server while streaming results.';

/**
 * Returns the failure for an error that user code threw. The client gets the message of an error that was made for the caller. The message
 * of any other, also of a `HublineError` of an operation inside the method, is sent only with `detailedErrors`.
 */
export function failureOf(thrown: unknown, text: string, detailedErrors: boolean): Failure {
  const error = asError(thrown);
  if (isForCaller(error)) return refusalOf(error, text);
  return { text: detailedErrors ? `${text} ${error.name}: ${error.message}` : text, code: 'internal' };
}

/** The failure of a call that Hubline itself refuses. */
export const refusalOf = ({ message, code, details }: HublineError, text: string): Failure => ({
  text: `${text} HubException: ${message}`,
  code,
  details: plain(details),
});

/** The failure of an answer that cannot be encoded. Omits the error's text, which may come from user code. */
export const cannotAnswer = ({ details }: HublineError<'not_encodable'>, text: string): Failure => ({
  text: `${text} HubException: The protocol of the connection has no way to write the answer (${details.found} at '${details.path}').`,
  code: 'not_encodable',
  details: { path: details.path, found: details.found },
});

/** Converts details to plain JSON; returns an empty object if they cannot be encoded. */
function plain(details: unknown): object {
  try {
    return Object(JSON.parse(JSON.stringify(details))) as object;
  } catch {
    return {};
  }
}
