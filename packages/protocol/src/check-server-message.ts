import { HublineError } from './errors.ts';
import { MessageType, type HubMessage } from './messages.ts';

/** A parsed message whose shape has not been checked. */
export type Raw = Record<string, unknown>;

/** Whether the fields of a message are those of its type. */
export type Check = (raw: Raw) => boolean;

/**
 * The check for clients: it ignores messages that no server sends, and does not say what is wrong with others.
 * @throws HublineError `invalid_message`
 */
export function checkServerMessage(parsed: unknown): HubMessage {
  const raw = tidy(parsed);
  const isValid =
    raw.type === MessageType.Invocation ? isInvocation(raw)
    : raw.type === MessageType.Completion ? isCompletion(raw)
    : raw.type === MessageType.StreamItem ? isStreamItem(raw)
    : raw.type === MessageType.Close ? isClose(raw)
    : raw.type !== MessageType.CancelInvocation || isName(raw.invocationId);
  if (!isValid) throw invalid(`Invalid payload for a message of type ${raw.type as number}.`);
  return raw as unknown as HubMessage;
}

/** What either official implementation takes for nothing is left out. */
export function tidy(parsed: unknown): Raw {
  const raw = (parsed ?? {}) as Raw;
  const { type, headers, error, result } = raw;
  if (typeof type !== 'number') throw invalid('Invalid payload.');
  // The JavaScript client never looks at headers, and .NET writes null where it has nothing.
  if (headers !== undefined && !isHeaders(headers)) delete raw.headers;
  if (error === null || (error === '' && result !== undefined)) delete raw.error;
  return raw;
}

export const isInvocation: Check = (raw) => {
  // An empty id is none (MessagePackHubProtocolWorker.cs).
  if (raw.invocationId === '' || raw.invocationId === null) delete raw.invocationId;
  return isCall(raw) && (raw.invocationId === undefined || isName(raw.invocationId));
};
/** SignalR's client takes an empty error, and beside an error every result that is false. */
export const isCompletion: Check = ({ invocationId, error, result }) =>
  isName(invocationId) && isOptional(error, 'string') && !(error && result);
export const isClose: Check = ({ error, allowReconnect, code, reason }) =>
  isOptional(error, 'string') && isOptional(allowReconnect, 'boolean') && isOptional(code, 'string') && isOptional(reason, 'string');
export const isStreamItem: Check = ({ invocationId, item }) => isName(invocationId) && item !== undefined;

export const isName = (value: unknown): value is string => typeof value === 'string' && value !== '';
/** .NET writes `null` where it has nothing. */
const isOptional = (value: unknown, type: string): boolean => value === undefined || value === null || typeof value === type;
/** A call without a list of arguments fails alone, as in SignalR's binding failure. */
export function isCall(raw: Raw): boolean {
  if (!Array.isArray(raw.arguments)) {
    raw.arguments = [];
    raw.unbound = true;
  }
  if (raw.streamIds === null) delete raw.streamIds;
  const { target, streamIds } = raw;
  return isName(target) && (streamIds === undefined || (Array.isArray(streamIds) && streamIds.every(isName)));
}

const isHeaders = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every((item) => typeof item === 'string');

/** The error of a message that is none. */
export function invalid(why: string): HublineError<'invalid_message'> {
  return new HublineError('invalid_message', why, { why });
}
