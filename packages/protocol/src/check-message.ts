import { HublineError } from './errors.ts';
import { MessageType, type HubMessage } from './messages.ts';

/** What arrived, before anybody looked at it. */
type Raw = Readonly<Record<string, unknown>>;

/**
 * Checks the shape of one parsed message. Returns undefined for a type that this version does not know, which a
 * receiver ignores (HubProtocol.md). The texts are those of SignalR's own parsers where they have one.
 * @throws HublineError `invalid_message`
 */
export function checkMessage(parsed: unknown): HubMessage | undefined {
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw invalid('Invalid payload.');
  const raw = parsed as Raw;
  if (typeof raw.type !== 'number') throw invalid('Invalid payload.');
  const check = Object.hasOwn(CHECKS, raw.type) ? CHECKS[raw.type as MessageType] : undefined;
  if (!check) return undefined;
  if (raw.headers !== undefined && !isHeaders(raw.headers)) throw invalid('Invalid headers.');
  const fault = check(raw);
  if (fault) throw invalid(fault);
  return parsed as HubMessage;
}

/** One row per message: a new one does not compile until somebody has said what makes it valid. */
const CHECKS: Record<MessageType, (raw: Raw) => string | false> = {
  [MessageType.Invocation]: (raw) =>
    !(isName(raw.target) && (raw.invocationId === undefined || isName(raw.invocationId)) && isCall(raw)) &&
    'Invalid payload for Invocation message.',
  [MessageType.StreamInvocation]: (raw) =>
    !(isName(raw.target) && isName(raw.invocationId) && isCall(raw)) && 'Invalid payload for StreamInvocation message.',
  [MessageType.StreamItem]: (raw) => !(isName(raw.invocationId) && raw.item !== undefined) && 'Invalid payload for StreamItem message.',
  [MessageType.Completion]: (raw) =>
    // SignalR's own client takes `result: null` beside an error.
    !(isName(raw.invocationId) && (raw.error === undefined || (isName(raw.error) && (raw.result ?? undefined) === undefined))) &&
    'Invalid payload for Completion message.',
  [MessageType.CancelInvocation]: (raw) => !isName(raw.invocationId) && 'Invalid payload for CancelInvocation message.',
  [MessageType.Ping]: () => false,
  [MessageType.Close]: (raw) =>
    !(isOptional(raw.error, 'string') && isOptional(raw.allowReconnect, 'boolean') && isOptional(raw.code, 'string')) &&
    'Invalid payload for Close message.',
  [MessageType.Ack]: (raw) => !isCount(raw.sequenceId) && 'Invalid SequenceId for Ack message.',
  [MessageType.Sequence]: (raw) => !isCount(raw.sequenceId) && 'Invalid SequenceId for Sequence message.',
  [MessageType.Credit]: (raw) => !(isName(raw.invocationId) && isCount(raw.credit)) && 'Invalid payload for Credit message.',
};

const isName = (value: unknown): value is string => typeof value === 'string' && value !== '';
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 0;
/** .NET writes `null` where it has nothing. */
const isOptional = (value: unknown, type: string): boolean => value === undefined || value === null || typeof value === type;
const isCall = (raw: Raw): boolean =>
  Array.isArray(raw.arguments) && (raw.streamIds === undefined || (Array.isArray(raw.streamIds) && raw.streamIds.every(isName)));
const isHeaders = (value: unknown): boolean =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && Object.values(value).every((item) => typeof item === 'string');

function invalid(why: string): HublineError<'invalid_message'> {
  return new HublineError('invalid_message', why, { why });
}
