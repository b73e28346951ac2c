import { invalid, isCall, isClose, isCompletion, isInvocation, isName, isStreamItem, tidy, type Check } from './check-server-message.ts';
import { MessageType, type HubMessage } from './messages.ts';

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
  throw invalid(`Invalid ${field} for ${name} message.`);
}

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
