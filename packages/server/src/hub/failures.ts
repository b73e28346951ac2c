import { asError, isForCaller, type HublineError } from '@hubline/protocol';
import type { Failure } from '../connection/index.ts';
import { FAILED, Refused } from '../transports/index.ts';

/** What a client is told when a method failed, in SignalR's words; ours is the code beside them. */
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

/** It was still waiting for its turn. */
export const cancelledBefore = (method: string): Failure => ({
  text: `${failedInvoking(method)} HubException: The caller of '${method}' has cancelled it.`,
  code: 'cancelled',
  details: { method },
});

const wrongKind = (method: string, text: string): Failure => ({ text, code: 'invalid_arguments', details: { method } });

/** Where it failed: before there was a result or while items were sent. */
export const failedInvoking = (method: string): string => `An unexpected error occurred invoking '${method}' on the server.`;
export const FAILED_STREAMING = 'An error occurred on the server while streaming results.';

/**
 * What user code threw. Errors made for the caller are told; what is in any other, also in ours of what the method did on the
 * way, is the server's secret, unless details are asked for.
 */
export function failureOf(thrown: unknown, text: string, detailedErrors: boolean): Failure {
  const error = asError(thrown);
  if (isForCaller(error)) return refusalOf(error, text);
  return { text: detailedErrors ? `${text} ${error.name}: ${error.message}` : text, code: 'internal' };
}

/** Our refusal of this call itself. */
export const refusalOf = ({ message, code, details }: HublineError, text: string): Failure => ({
  text: `${text} HubException: ${message}`,
  code,
  details: plain(details),
});

/** The text of the error may be one that user code threw while its value was written. */
export const cannotAnswer = ({ details }: HublineError<'not_encodable'>, text: string): Failure => ({
  text: `${text} HubException: The protocol of the connection has no way to write the answer (${details.found} at '${details.path}').`,
  code: 'not_encodable',
  details: { path: details.path, found: details.found },
});

/** Details are user code's, and may be what JSON cannot hold: then there are none. */
function plain(details: unknown): object {
  try {
    return Object(JSON.parse(JSON.stringify(details))) as object;
  } catch {
    return {};
  }
}

/** Runs user code that a request asks before there is a connection: what it throws refuses the request, and is told only where it is meant to be. */
export async function beforeConnecting<T>(
  stage: string,
  report: (stage: string, error: unknown) => void,
  work: () => Promise<T>,
): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (isForCaller(error)) throw error;
    report(stage, error);
    throw new Refused(FAILED);
  }
}
