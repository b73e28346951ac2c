import { HublineError } from './errors.ts';

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
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new HublineError('invalid_message', 'The message is not JSON.', { why: 'not JSON' }, { cause });
  }
  // A reviver would make the text take six times as long.
  if (PROTO.test(text)) dropProto(value);
  return value;
}

export function tooDeep(): HublineError<'invalid_message'> {
  const text = `The message has more than ${MAX_DEPTH} levels.`;
  return new HublineError('invalid_message', text, { why: text });
}

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

function dropProto(value: unknown): void {
  if (typeof value !== 'object' || value === null) return;
  for (const key of Object.keys(value)) {
    if (key === '__proto__') delete (value as Record<string, unknown>)[key];
    else dropProto((value as Record<string, unknown>)[key]);
  }
}
