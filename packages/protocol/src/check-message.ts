import { isName, type Raw } from './check-server-message.ts';
import { invalidMessage } from './errors.ts';
import { MessageType, type HubMessage } from './messages.ts';

/** Whether the fields of a message are those of its type. */
type Check = (raw: Raw) => boolean;

/**
 * Checks the shape of one parsed message, and makes it as its type says: the two official implementations accept more than they
 * write, and what either of them accepts ends no connection here. Returns undefined for a type that this version does not know, which
 * a receiver ignores (HubProtocol.md). The texts are those of SignalR's own parsers where they have one.
 * @throws HublineError `invalid_message`
 */
export function checkMessage(parsed: unknown): HubMessage | undefined {
  const raw = tidy(parsed);
  const type = raw.type as number;
  const isValid = Object.hasOwn(CHECKS, type) && CHECKS[type as MessageType];
  if (!isValid) return undefined;
  if (isValid(raw)) return raw as unknown as HubMessage;
  const field = type === MessageType.Ack || type === MessageType.Sequence ? 'SequenceId' : 'payload';
  const name = Object.entries(MessageType).find(([, value]) => value === type)?.[0];
  throw invalidMessage(`Invalid ${field} for ${name} message.`);
}

/** Leaves out fields that one of the official implementations takes for absent. */
function tidy(parsed: unknown): Raw {
  const raw = (parsed ?? {}) as Raw;
  const { type, headers, error, result } = raw;
  if (typeof type !== 'number') throw invalidMessage('Invalid payload.');
  // The JavaScript client never looks at headers, and .NET writes null where it has nothing.
  if (headers !== undefined && !isHeaders(headers)) delete raw.headers;
  if (error === null || (error === '' && result !== undefined)) delete raw.error;
  return raw;
}

const isInvocation: Check = (raw) => {
  // An empty id is none (MessagePackHubProtocolWorker.cs).
  if (raw.invocationId === '' || raw.invocationId === null) delete raw.invocationId;
  return isCall(raw) && (raw.invocationId === undefined || isName(raw.invocationId));
};
/** SignalR's client takes an empty error, and beside an error every result that is false. */
const isCompletion: Check = ({ invocationId, error, result }) => isName(invocationId) && isOptional(error, 'string') && !(error && result);
const isClose: Check = ({ error, allowReconnect, code, reason }) =>
  isOptional(error, 'string') && isOptional(allowReconnect, 'boolean') && isOptional(code, 'string') && isOptional(reason, 'string');
const isStreamItem: Check = ({ invocationId, item }) => isName(invocationId) && item !== undefined;

/** .NET writes `null` where it has nothing. */
const isOptional = (value: unknown, type: string): boolean => value === undefined || value === null || typeof value === type;
/** A call without a list of arguments fails alone, as in SignalR's binding failure. */
function isCall(raw: Raw): boolean {
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

const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
const isSequence: Check = ({ sequenceId }) => isCount(sequenceId);

/** One row per message: a new message does not compile without its check. */
const CHECKS: Record<MessageType, Check> = {
  [MessageType.Invocation]: isInvocation,
  [MessageType.StreamItem]: isStreamItem,
  [MessageType.Completion]: isCompletion,
  [MessageType.StreamInvocation]: (raw) => isCall(raw) && isName(raw.invocationId),
  [MessageType.CancelInvocation]: ({ invocationId }) => isName(invocationId),
  [MessageType.Ping]: () => true,
  [MessageType.Close]: isClose,
  [MessageType.Ack]: isSequence,
  [MessageType.Sequence]: isSequence,
  [MessageType.Credit]: ({ invocationId, credit }) => isName(invocationId) && isCount(credit),
};
