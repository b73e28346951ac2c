import { invalidMessage } from './errors.ts';
import { CANCEL_INVOCATION, COMPLETION, INVOCATION, STREAM_ITEM, type HubMessage } from './messages.ts';

/** A parsed message whose shape has not been checked. */
export type Raw = Record<string, unknown>;

/** The field that names the target or the call of a message, by message type. */
const KEYS: Readonly<Record<number, string | undefined>> = {
  [INVOCATION]: 'target',
  [STREAM_ITEM]: 'invocationId',
  [COMPLETION]: 'invocationId',
  [CANCEL_INVOCATION]: 'invocationId',
};

/**
 * Checks one parsed message of a server. Clients trust their server, so it checks only the fields that the client depends on.
 * @throws HublineError `invalid_message`
 */
export function checkServerMessage(parsed: unknown): HubMessage {
  const raw = (parsed ?? {}) as Raw;
  const type = raw.type as number;
  const key = KEYS[type];
  if (typeof type !== 'number' || (key && !isName(raw[key]))) throw invalidMessage(`Invalid message of type ${type}.`);
  // A call without a list of arguments fails without ending the connection.
  if (type === INVOCATION && !Array.isArray(raw.arguments)) raw.arguments = [];
  return raw as unknown as HubMessage;
}

export const isName = (value: unknown): value is string => typeof value === 'string' && value !== '';
