import { checkName, invalidOption } from '@hubline/protocol';
import type { Attributes, Identity } from '../connection/index.ts';

/**
 * Checks the result of `authenticate`. Undefined is an anonymous client.
 * @throws HublineError `invalid_option`
 */
export function identityOf(result: unknown, attributesOf: (given: object) => Attributes): Identity {
  const { userId, attributes = {} } = record(result, 'authenticate') as { readonly userId?: unknown; readonly attributes?: unknown };
  return {
    ...(userId === undefined ? {} : { userId: checkName(userId, 'userId') }),
    attributes: attributesOf(record(attributes, 'attributes')),
  };
}

function record(value: unknown = {}, option: string): object {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value;
  throw invalidOption(option, 'must give an object');
}
