import { Header, HublineError, parseJson, type Completion, type ErrorCode, type ErrorDetails } from '@hubline/protocol';

/**
 * What a server may tell a client, as values: it may be newer than we are, and speak of codes that our types do not have.
 * What is not among them is the server's own affair.
 */
export const CODES =
  'unauthorized forbidden unknown_method invalid_arguments hub_error not_encodable invalid_message message_too_large call_timeout cancelled client_error connection_lost connection_gone node_lost node_silent no_client_responded backplane_unavailable unsupported_version timed_out slow_consumer limit_exceeded disconnected shutdown';

/** What the server calls an error: our code where we know it, `internal` where it is newer than we are. */
export function codeOf(code: string | undefined, otherwise: ErrorCode): ErrorCode {
  if (!code) return otherwise;
  return CODES.split(' ').includes(code) ? (code as ErrorCode) : 'internal';
}

/**
 * Why a call failed. Plain SignalR servers name no code: a HubException is what the method's author wants the caller to
 * read, and everything else is the server's own affair. @throws HublineError `invalid_message` for details that are no JSON
 */
export function failureOf({ error, headers = {} }: Completion): HublineError | undefined {
  if (!error) return undefined;
  const hubText = /HubException: ([^]+)/.exec(error)?.[1];
  const code = codeOf(headers[Header.code], hubText ? 'hub_error' : 'internal');
  return new HublineError<ErrorCode>(code, hubText ?? error, parseJson(headers[Header.details] ?? '{}') as ErrorDetails[ErrorCode]);
}

/** What the other side may read of an error. The wire has no empty error. */
export const textOf = (thrown: unknown): string => (thrown as Partial<Error> | null)?.message || String(thrown);
