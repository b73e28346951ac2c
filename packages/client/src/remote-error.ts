import {
  asError,
  CODE_HEADER,
  DETAILS_HEADER,
  HublineError,
  parseJson,
  type Completion,
  type ErrorCode,
  type ErrorDetails,
} from '@hubline/protocol';

/** Returns the server's error code, or `otherwise` if it is missing or malformed. A code of a newer server, unknown here, is kept. */
export const codeOf = (code: string | null | undefined, otherwise: ErrorCode): ErrorCode =>
  code && /^\w{1,40}$/.test(code) ? (code as ErrorCode) : otherwise;

/**
 * Returns the error of a failed call, or undefined. Other SignalR servers send no code: the text of a HubException, which is meant for the
 * caller, becomes a `hub_error`, and any other error `internal`.
 */
export function errorOf({ error, headers }: Completion): HublineError | undefined {
  if (!error) return undefined;
  const hubText = /HubException: ([^]+)/.exec(error)?.[1];
  const code = codeOf(headers?.[CODE_HEADER], hubText ? 'hub_error' : 'internal');
  return new HublineError<ErrorCode>(code, hubText ?? error, detailsIn(headers?.[DETAILS_HEADER]));
}

/** Reads the details of an error. Malformed JSON counts as no details. */
function detailsIn(text = '{}'): ErrorDetails[ErrorCode] {
  try {
    return parseJson(text) ?? {};
  } catch {
    return {};
  }
}

/** Returns the text of a thrown value for the wire, where an error must not be empty. Never throws. */
export const textOf = (thrown: unknown): string => asError(thrown).message || 'Error';
