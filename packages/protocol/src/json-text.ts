import { invalidMessage, type HublineError } from './errors.ts';

/** Levels of arrays and objects in one message, in both protocols and both ways. System.Text.Json has the same limit. */
export const MAX_DEPTH = 64;

/** A property named `__proto__`, also where its letters are escaped. */
const PROTO = /__proto__|\\u00(?:5f|6f|7[024])/i;

/**
 * Reads one JSON text of a peer, without its properties named `__proto__`: merged into another object they would become its
 * prototype. @throws HublineError `invalid_message`
 */
export function parseJson(text: string): unknown {
  if (isTooDeep(text)) throw tooDeep();
  try {
    // A reviver makes a text take six times as long.
    return JSON.parse(text, PROTO.test(text) ? withoutProto : undefined);
  } catch (cause) {
    throw invalidMessage('The message is not JSON.', cause);
  }
}

const withoutProto = (key: string, value: unknown): unknown => (key === '__proto__' ? undefined : value);

export const tooDeep = (): HublineError<'invalid_message'> => invalidMessage(`The message has more than ${MAX_DEPTH} levels.`);

/** Whether a JSON text has more levels than {@link MAX_DEPTH}. Reads the text once, and only where it has brackets enough. */
export function isTooDeep(text: string): boolean {
  let brackets = 0;
  for (const bracket of '[{') {
    for (let at = -1; (at = text.indexOf(bracket, at + 1)) >= 0;) if (++brackets > MAX_DEPTH) return isNestedTooDeep(text);
  }
  return false;
}

function isNestedTooDeep(text: string): boolean {
  let depth = 0;
  let inText = false;
  for (let at = 0; at < text.length; at++) {
    const unit = text[at]!;
    if (unit === '"') inText = !inText;
    else if (inText) at += Number(unit === '\\');
    else if (unit === '[' || unit === '{') depth++;
    else if (unit === ']' || unit === '}') depth--;
    if (depth > MAX_DEPTH) return true;
  }
  return false;
}
