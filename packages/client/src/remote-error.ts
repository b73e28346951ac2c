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

/** The server's error code. A newer server may have codes that our types do not have: they are passed on as they are. */
export const codeOf = (code: string | null | undefined, otherwise: ErrorCode): ErrorCode =>
  code && /^\w{1,40}$/.test(code) ? (code as ErrorCode) : otherwise;

/**
 * Why a call failed. Plain SignalR servers name no code: a HubException is what the method's author wants the caller to
 * read, and everything else is the server's own affair.
 */
export function failureOf({ error, headers }: Completion): HublineError | undefined {
  if (!error) return undefined;
  const hubText = /HubException: ([^]+)/.exec(error)?.[1];
  const code = codeOf(headers?.[CODE_HEADER], hubText ? 'hub_error' : 'internal');
  return new HublineError<ErrorCode>(code, hubText ?? error, detailsIn(headers?.[DETAILS_HEADER]));
}

/** Details that are no JSON are none: the error is still the server's. */
function detailsIn(text = '{}'): ErrorDetails[ErrorCode] {
  try {
    return parseJson(text) ?? {};
  } catch {
    return {};
  }
}

/** The text of whatever was thrown, for the other side. The wire has no empty error. Never throws. */
export const textOf = (thrown: unknown): string => asError(thrown).message || 'Error';
