import { HublineError } from './errors.ts';
import { MessageType, type HubMessage } from './messages.ts';

/** A parsed message whose shape has not been checked. */
type Raw = Record<string, unknown>;

/** Whether the fields of a message are those of its type. */
type Check = (raw: Raw) => boolean;

/**
 * Checks the shape of one parsed message, and makes it as its type says: the two official implementations accept more than they
 * write, and what either of them accepts ends no connection here. Returns undefined for a type that this version does not know, which
 * a receiver ignores (HubProtocol.md). The texts are those of SignalR's own parsers where they have one.
 * @throws HublineError `invalid_message`
 */
export const checkMessage = (parsed: unknown): HubMessage | undefined => check(parsed, ALL_CHECKS);
/** The same for clients: a message that no server sends is as good as unknown. */
export const checkServerMessage = (parsed: unknown): HubMessage | undefined => check(parsed, SERVER_CHECKS);

function check(parsed: unknown, checks: Readonly<Partial<Record<number, Check>>>): HubMessage | undefined {
  const raw = (parsed ?? {}) as Raw;
  const { type, headers, error, result } = raw;
  if (typeof type !== 'number') throw invalid('Invalid payload.');
  const isValid = Object.hasOwn(checks, type) && checks[type];
  if (!isValid) return undefined;
  // The JavaScript client never looks at headers, and .NET writes null where it has nothing.
  if (headers !== undefined && !isHeaders(headers)) delete raw.headers;
  if (error === null || (error === '' && result !== undefined)) delete raw.error;
  if (isValid(raw)) return raw as unknown as HubMessage;
  const field = type === MessageType.Ack || type === MessageType.Sequence ? 'SequenceId' : 'payload';
  const name = Object.entries(MessageType).find(([, value]) => value === type)?.[0];
  throw invalid(`Invalid ${field} for ${name} message.`);
}

/** A message that a server sends, and a client reads; a ping says nothing that its arrival has not said. */
const SERVER_CHECKS = {
  [MessageType.Invocation]: (raw) => {
    // An empty id is none (MessagePackHubProtocolWorker.cs).
    if (raw.invocationId === '' || raw.invocationId === null) delete raw.invocationId;
    return isCall(raw) && (raw.invocationId === undefined || isName(raw.invocationId));
  },
  [MessageType.StreamItem]: ({ invocationId, item }) => isName(invocationId) && item !== undefined,
  // SignalR's client takes an empty error, and beside an error every result that is false.
  [MessageType.Completion]: ({ invocationId, error, result }) => isName(invocationId) && isOptional(error, 'string') && !(error && result),
  [MessageType.CancelInvocation]: ({ invocationId }) => isName(invocationId),
  [MessageType.Close]: ({ error, allowReconnect, code }) =>
    isOptional(error, 'string') && isOptional(allowReconnect, 'boolean') && isOptional(code, 'string'),
} satisfies Partial<Record<MessageType, Check>>;

const isSequence: Check = ({ sequenceId }) => isCount(sequenceId);

/** One row per message: a new message does not compile without its check. */
const ALL_CHECKS: Record<MessageType, Check> = /* @__PURE__ */ Object.assign(
  {
    [MessageType.StreamInvocation]: (raw: Raw) => isCall(raw) && isName(raw.invocationId),
    [MessageType.Ping]: () => true,
    [MessageType.Ack]: isSequence,
    [MessageType.Sequence]: isSequence,
    [MessageType.Credit]: ({ invocationId, credit }: Raw) => isName(invocationId) && isCount(credit),
  },
  SERVER_CHECKS,
);

const isName = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
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

/** The error of a message that is none. */
export function invalid(why: string): HublineError<'invalid_message'> {
  return new HublineError('invalid_message', why, { why });
}
