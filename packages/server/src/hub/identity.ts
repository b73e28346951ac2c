import { checkName, invalidOption } from '@hubline/protocol';
import type { Attributes, Identity } from '../connection/index.ts';

/**
 * Checks the result of `authenticate`: undefined stands for an anonymous client.
 * @throws HublineError `invalid_option`
 */
export function identityOf(answer: unknown, attributesOf: (given: object) => Attributes): Identity {
  const { userId, attributes = {} } = record(answer, 'authenticate') as { readonly userId?: unknown; readonly attributes?: unknown };
  return {
    ...(userId === undefined ? {} : { userId: checkName(userId, 'userId') }),
    attributes: attributesOf(record(attributes, 'attributes')),
  };
}

function record(value: unknown = {}, option: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw invalidOption(option, 'must give an object');
}
