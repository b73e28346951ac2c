import { HublineError } from './errors.ts';

/** The longest name, in bytes of UTF-8. Names become parts of keys, channels, headers and cookies. */
export const MAX_NAME_BYTES = 255;

/**
 * Checks the name of a group, user, attribute, connection, hub, path, node or application, and returns it. A value that is no string, such
 * as `["admins"]`, could pass a comparison with a forbidden name and still be used as that name.
 * @throws HublineError `invalid_option` unless it is a well-formed string of 1 to 255 bytes; `option` is the argument's name
 */
export function checkName(value: unknown, option: string): string {
  if (value === '') throw invalidOption(option, 'is empty');
  return checkText(value, option);
}

/** Checks a text that may be empty, such as the value of an attribute, and returns it. @throws HublineError `invalid_option` */
export function checkText(value: unknown, option: string): string {
  if (typeof value !== 'string')
    throw invalidOption(option, `must be a string, and is ${value === null ? 'null' : `of type ${typeof value}`}`);
  // A UTF-16 unit is at most three bytes of UTF-8, so short names need no exact count.
  const isShort = value.length * 3 <= MAX_NAME_BYTES;
  if (!isShort && (value.length > MAX_NAME_BYTES || new TextEncoder().encode(value).length > MAX_NAME_BYTES))
    throw invalidOption(option, `has more than ${MAX_NAME_BYTES} bytes of UTF-8`);
  if (LONE_SURROGATE.test(value)) throw invalidOption(option, 'is not well-formed: it holds half of a surrogate pair');
  return value;
}

/** Creates the error for an invalid argument; `fault` completes the sentence "The argument '…'". */
export function invalidOption(option: string, fault: string): HublineError<'invalid_option'> {
  return new HublineError('invalid_option', `The argument '${option}' ${fault}.`, { option });
}

/** With the flag `u` a complete pair is one character, which this pattern does not match. */
const LONE_SURROGATE = /\p{Surrogate}/u;
