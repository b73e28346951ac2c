import { asError, Header, HublineError, type Completion, type ErrorCode, type ErrorDetails } from '@hubline/protocol';

/** The codes as values: a server may be newer than we are, and speak of codes that our types do not have. */
const KNOWN: Record<ErrorCode, 1> = {
  unauthorized: 1,
  forbidden: 1,
  unknown_method: 1,
  invalid_arguments: 1,
  invalid_result: 1,
  hub_error: 1,
  internal: 1,
  not_encodable: 1,
  invalid_message: 1,
  message_too_large: 1,
  call_timeout: 1,
  cancelled: 1,
  client_error: 1,
  connection_lost: 1,
  connection_gone: 1,
  already_connected: 1,
  node_lost: 1,
  node_silent: 1,
  wrong_node: 1,
  no_client_responded: 1,
  attribute_not_indexed: 1,
  empty_target: 1,
  backplane_unavailable: 1,
  unsupported_version: 1,
  negotiation_failed: 1,
  timed_out: 1,
  slow_consumer: 1,
  limit_exceeded: 1,
  disconnected: 1,
  shutdown: 1,
  invalid_option: 1,
};

/** What the server calls an error: our code where we know it, `internal` where it is newer than we are. */
export function codeOf(code: string | undefined, otherwise: ErrorCode): ErrorCode {
  if (!code) return otherwise;
  return Object.hasOwn(KNOWN, code) ? (code as ErrorCode) : 'internal';
}

/**
 * Why a call failed. Plain SignalR servers name no code: a HubException is what the method's author wants the caller to
 * read, and everything else is the server's own affair.
 */
export function failureOf({ error, headers = {} }: Completion): HublineError | undefined {
  if (error === undefined) return undefined;
  const [, hubText] = /HubException: ([^]+)/.exec(error) ?? [];
  const code = codeOf(headers[Header.code], hubText ? 'hub_error' : 'internal');
  return new HublineError<ErrorCode>(code, code === 'hub_error' && hubText ? hubText : error, parseDetails(headers[Header.details]));
}

/** Details are a courtesy: an error must not be lost because its details are. */
function parseDetails(json = '{}'): ErrorDetails[ErrorCode] {
  try {
    return JSON.parse(json) as ErrorDetails[ErrorCode];
  } catch {
    return {};
  }
}

/** What the other side may read of an error. The wire has no empty error. */
export const textOf = (thrown: unknown): string => asError(thrown).message || String(thrown);
