import { isName, type Raw } from './check-server-message.ts';
import { invalidMessage } from './errors.ts';
import { MessageType, type HubMessage } from './messages.ts';

/** Whether the fields of a message are valid for its type. */
type Check = (raw: Raw) => boolean;

/**
 * Checks and normalizes one parsed message. It accepts every message that one of the two official implementations accepts, which is more
 * than they write. Returns undefined for an unknown type, which a receiver ignores (HubProtocol.md). Error texts are those of SignalR's
 * parsers, if they have one.
 * @throws HublineError `invalid_message`
 */
export function checkMessage(parsed: unknown): HubMessage | undefined {
  const raw = normalize(parsed);
  const type = raw.type as number;
  const isValid = Object.hasOwn(CHECKS, type) && CHECKS[type as MessageType];
  if (!isValid) return undefined;
  if (isValid(raw)) return raw as unknown as HubMessage;
  const field = type === MessageType.Ack || type === MessageType.Sequence ? 'SequenceId' : 'payload';
  const name = Object.entries(MessageType).find(([, value]) => value === type)?.[0];
  throw invalidMessage(`Invalid ${field} for ${name} message.`);
}

/** Deletes fields that one of the official implementations treats as absent. */
function normalize(parsed: unknown): Raw {
  const raw = (parsed ?? {}) as Raw;
  const { type, headers, error, result } = raw;
  if (typeof type !== 'number') throw invalidMessage('Invalid payload.');
  // The JavaScript client ignores headers, and .NET writes null for an absent value.
  if (headers !== undefined && !isHeaders(headers)) delete raw.headers;
  if (error === null || (error === '' && result !== undefined)) delete raw.error;
  return raw;
}

const isInvocation: Check = (raw) => {
  // An empty id counts as absent (MessagePackHubProtocolWorker.cs).
  if (raw.invocationId === '' || raw.invocationId === null) delete raw.invocationId;
  return isCall(raw) && (raw.invocationId === undefined || isName(raw.invocationId));
};
/** SignalR's client accepts an empty error, and a falsy result beside an error. */
const isCompletion: Check = ({ invocationId, error, result }) => isName(invocationId) && isOptional(error, 'string') && !(error && result);
const isClose: Check = ({ error, allowReconnect, code, reason }) =>
  isOptional(error, 'string') && isOptional(allowReconnect, 'boolean') && isOptional(code, 'string') && isOptional(reason, 'string');
const isStreamItem: Check = ({ invocationId, item }) => isName(invocationId) && item !== undefined;

/** .NET writes `null` for an absent value. */
const isOptional = (value: unknown, type: string): boolean => value === undefined || value === null || typeof value === type;
/** A call without a list of arguments fails without ending the connection, like a binding failure in SignalR. */
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

/** One check per message type: a new type does not compile without one. */
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
