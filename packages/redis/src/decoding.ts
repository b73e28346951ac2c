import { HublineError } from '@hubline/protocol';

export type Fields = Readonly<Record<string, unknown>>;

export const isFields = (value: unknown): value is Fields =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof Error);

export const isTexts = (list: unknown): list is readonly string[] => Array.isArray(list) && list.every((each) => typeof each === 'string');

/** The largest JSON of a notice or a repair message that is parsed, in bytes. Claims and descriptions of frames have about 64 KiB each. */
export const MAX_BYTES = 1024 * 1024;

/** Parses a JSON object; undefined for any other text. */
export function fieldsIn(text: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return isFields(value) ? value : undefined;
  } catch {
    return undefined; // no JSON
  }
}

/** Makes the error for a message between nodes with a field that cannot be right. */
export const damaged = (what: 'frame' | 'notice' | 'message of repair', why: string): HublineError<'invalid_message'> =>
  new HublineError('invalid_message', `A ${what} between nodes is damaged.`, { why });

export const unsupported = (what: 'frame' | 'notice', version: number, own: number): HublineError<'unsupported_version'> =>
  new HublineError('unsupported_version', `A node sends ${what}s of version ${version}; this one reads ${own}.`, { version });
