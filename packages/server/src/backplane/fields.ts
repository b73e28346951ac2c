import { checkName, HublineError } from '@hubline/protocol';

/** Decodes a value that another node sent. @throws HublineError `invalid_message` */
export type Read<T> = (value: unknown) => T;

export const text: Read<string> = (value) => (typeof value === 'string' ? value : refuse('a string', value));

/** A name that a topic can contain. */
export const name: Read<string> = (value) => (isName(value) ? value : refuse('a name', value));

export const number: Read<number> = (value) => (typeof value === 'number' && Number.isFinite(value) ? value : refuse('a number', value));

/** A whole number of at least 0: a version, a number of bytes, an id. */
export const count: Read<number> = (value) =>
  Number.isSafeInteger(value) && (value as number) >= 0 ? (value as number) : refuse('a whole number', value);

export const flag: Read<boolean> = (value) => (typeof value === 'boolean' ? value : refuse('a boolean', value));

export const object: Read<object> = (value) => (typeof value === 'object' && value !== null ? value : refuse('an object', value));

export const optional =
  <T>(read: Read<T>): Read<T | undefined> =>
  (value) =>
    value === undefined ? undefined : read(value);

export const list =
  <T>(read: Read<T>): Read<readonly T[]> =>
  (value) =>
    Array.isArray(value) ? value.map((item) => read(item)) : refuse('a list', value);

/** An object with these fields. Others are ignored: a later version may add fields. */
export const fields = <S extends Readonly<Record<string, Read<unknown>>>>(
  shape: S,
): Read<{ readonly [K in keyof S]: ReturnType<S[K]> }> => {
  const readers = Object.entries(shape);
  return (value) => {
    const from = object(value) as Readonly<Record<string, unknown>>;
    const found: Record<string, unknown> = {};
    for (const [name, read] of readers) found[name] = read(Object.hasOwn(from, name) ? from[name] : undefined);
    return found as { readonly [K in keyof S]: ReturnType<S[K]> };
  };
};

/** Whether {@link checkName} accepts the value. */
export function isName(value: unknown): value is string {
  try {
    return checkName(value, 'name') === value;
  } catch {
    return false;
  }
}

export function refuse(expected: string, found: unknown): never {
  const kind =
    found === null ? 'null'
    : Array.isArray(found) ? 'a list'
    : typeof found;
  throw new HublineError('invalid_message', 'A message between nodes is damaged.', { why: `${expected} was expected, and not ${kind}` });
}

/** The protocol of a message in the body, and its length in bytes. */
export const copyLength: Read<readonly [codec: string, length: number]> = (value) => {
  const [codec, length] = list<unknown>((item) => item)(value);
  return [text(codec), count(length)];
};
