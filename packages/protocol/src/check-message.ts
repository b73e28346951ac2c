import { HublineError } from './errors.ts';
import { MessageType, type HubMessage } from './messages.ts';

/** What arrived, before anybody looked at it. */
type Raw = Readonly<Record<string, unknown>>;

type Check = (raw: Raw) => string | false;

/**
 * Checks the shape of one parsed message. Returns undefined for a type that this version does not know, which a
 * receiver ignores (HubProtocol.md). The texts are those of SignalR's own parsers where they have one.
 * @throws HublineError `invalid_message`
 */
export const checkMessage = (parsed: unknown): HubMessage | undefined => check(parsed, ALL_CHECKS);
/** The same for clients: what no server says is as good as unknown. */
export const checkServerMessage = (parsed: unknown): HubMessage | undefined => check(parsed, SERVER_CHECKS);

function check(parsed: unknown, checks: Readonly<Partial<Record<number, Check>>>): HubMessage | undefined {
  if (typeof parsed !== 'object' || parsed === null || Array.isArray(parsed)) throw invalid('Invalid payload.');
  const raw = parsed as Raw;
  if (typeof raw.type !== 'number') throw invalid('Invalid payload.');
  const faultOf = Object.hasOwn(checks, raw.type) ? checks[raw.type] : undefined;
  if (!faultOf) return undefined;
  if (raw.headers !== undefined && !isHeaders(raw.headers)) throw invalid('Invalid headers.');
  const fault = faultOf(raw);
  if (fault) throw invalid(fault);
  return parsed as HubMessage;
}

/** What a server sends, and a client reads; a ping says nothing that its arrival has not said. */
const SERVER_CHECKS = {
  [MessageType.Invocation]: (raw) =>
    !(isName(raw.target) && (raw.invocationId === undefined || isName(raw.invocationId)) && isCall(raw)) &&
    'Invalid payload for Invocation message.',
  [MessageType.StreamItem]: (raw) => !(isName(raw.invocationId) && raw.item !== undefined) && 'Invalid payload for StreamItem message.',
  [MessageType.Completion]: (raw) =>
    // SignalR's own client takes `result: null` beside an error.
    !(isName(raw.invocationId) && (raw.error === undefined || (isName(raw.error) && (raw.result ?? undefined) === undefined))) &&
    'Invalid payload for Completion message.',
  [MessageType.CancelInvocation]: (raw) => !isName(raw.invocationId) && 'Invalid payload for CancelInvocation message.',
  [MessageType.Close]: (raw) =>
    !(isOptional(raw.error, 'string') && isOptional(raw.allowReconnect, 'boolean') && isOptional(raw.code, 'string')) &&
    'Invalid payload for Close message.',
} satisfies Partial<Record<MessageType, Check>>;

/** One row per message: a new one does not compile until somebody has said what makes it valid. */
const ALL_CHECKS: Record<MessageType, Check> = {
  ...SERVER_CHECKS,
  [MessageType.StreamInvocation]: (raw) =>
    !(isName(raw.target) && isName(raw.invocationId) && isCall(raw)) && 'Invalid payload for StreamInvocation message.',
  [MessageType.Ping]: () => false,
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

/** What arrived is no message, and why. */
export function invalid(why: string): HublineError<'invalid_message'> {
  return new HublineError('invalid_message', why, { why });
}
