import { asError, isHublineError, type ErrorCode } from '@hubline/protocol';
import type { Failure } from '../connection/index.ts';

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

export const badArguments = (method: string, error: unknown): Failure => ({
  text: `Failed to invoke '${method}' due to an error on the server.`,
  code: 'invalid_arguments',
  details: isHublineError(error) ? error.details : { method },
});

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

/** An error of ours is meant for the caller; what is in any other is the server's secret, unless details are asked for. */
export function failureOf(thrown: unknown, text: string, detailedErrors: boolean): Failure {
  if (isHublineError(thrown))
    return { text: `${text} HubException: ${thrown.message}`, code: thrown.code satisfies ErrorCode, details: thrown.details };
  const { name, message } = asError(thrown);
  return { text: detailedErrors ? `${text} ${name}: ${message}` : text, code: 'internal' };
}
