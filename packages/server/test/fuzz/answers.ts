import { isDeepStrictEqual } from 'node:util';
import { expect } from 'vitest';
import { END } from './mutate.ts';
import type { Oracle } from './oracle.ts';
import { readMessagePack } from './reference-messagepack.ts';

/** A message of the server, decoded from any protocol. */
export interface Answer {
  readonly type: unknown;
  readonly id?: unknown;
  /** The result or the item. */
  readonly value?: unknown;
  readonly error?: unknown;
  readonly allowReconnect?: unknown;
  readonly code?: unknown;
}

/** Reads what a server sends, the answer to the handshake first. */
export class AnswerReader {
  readonly answers: Answer[] = [];
  handshake: unknown;
  readonly #isJson: boolean;
  #rest = Buffer.alloc(0);

  constructor(protocol: 'json' | 'messagepack') {
    this.#isJson = protocol === 'json';
  }

  push(bytes: Uint8Array): void {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    while (this.#one());
  }

  #one(): boolean {
    if (this.handshake === undefined) return this.#record((record) => (this.handshake = record));
    if (this.#isJson) return this.#record((record) => this.answers.push(fromJson(record as Record<string, unknown>)));
    let size = 0;
    let at = 0;
    for (let i = 0; ; i++) {
      const byte = this.#rest[at++];
      if (byte === undefined) return false;
      size += (byte & 127) * 128 ** i;
      if (byte < 128) break;
    }
    if (this.#rest.length < at + size) return false;
    this.answers.push(fromItems(readMessagePack(this.#rest.subarray(at, at + size)) as readonly unknown[]));
    this.#rest = this.#rest.subarray(at + size);
    return true;
  }

  #record(take: (record: unknown) => void): boolean {
    const end = this.#rest.indexOf(END);
    if (end < 0) return false;
    take(JSON.parse(this.#rest.subarray(0, end).toString()));
    this.#rest = this.#rest.subarray(end + 1);
    return true;
  }
}

function fromJson({ type, invocationId, result, item, error, allowReconnect, code }: Record<string, unknown>): Answer {
  return { type, id: invocationId, value: result ?? item ?? null, error, allowReconnect, code };
}

function fromItems([type, first, second, third, fourth]: readonly unknown[]): Answer {
  if (type === 7) return { type, error: first, allowReconnect: second, code: third };
  if (type === 2) return { type, id: second, value: third };
  return { type, id: second, ...(third === 1 ? { error: fourth } : { value: fourth ?? null }) };
}

/** The documented errors of calls (PROTOCOL.md, 4). The hub of these tests throws only the errors of uploads. */
const CALL_ERRORS = [
  /^Unknown hub method '[^]*'$/,
  /^Failed to invoke '[^]*' due to an error on the server\.$/,
  /^An unexpected error occurred invoking '[^]*' on the server\. HubException: [^]*$/,
  /^The client attempted to invoke the (non-)?streaming '[^]*' method with a (non-)?streaming invocation\.$/,
  /^Client sent \d+ stream\(s\), Hub method expects \d+\.$/,
  /^Invocation ID '[^]*' is already in use\.$/,
];

/** Checks the messages before a Close: completions and items of calls that were sent, with documented errors and the sent values. */
export function checkAnswers(answers: readonly Answer[], { calls }: Oracle): void {
  for (const { type, id, value, error } of answers) {
    if (type === 6) continue;
    expect([2, 3]).toContain(type);
    const sent = calls.get(id as string) ?? expect.fail(`no call has the id ${String(id)}`);
    if (type === 2) {
      expect(sent.some((call) => call.type === 4)).toBe(true);
    } else if (typeof error === 'string') {
      if (!CALL_ERRORS.some((text) => text.test(error))) expect.fail(`undocumented: ${error}`);
    } else {
      const isRight = sent.some(({ target, argument, type: kind }) => kind === 4 || !/^echo$/i.test(target) || isSame(argument, value));
      if (!isRight) expect.fail(`${String(id)} got ${JSON.stringify(value)}`);
    }
  }
}

/** Compares values as JSON does, which has no -0, infinities and half surrogate pairs. */
function isSame(sent: unknown, got: unknown): boolean {
  const value = sent ?? null;
  return isDeepStrictEqual(value, got) || (!containsMaps(value) && JSON.stringify(value) === JSON.stringify(got));
}

const containsMaps = (value: unknown): boolean => value instanceof Map || (Array.isArray(value) && value.some(containsMaps));
