/** Compares docs/protocol/messages.schema.json with the JSON codec, and with the transcripts. */
import { readFileSync } from 'node:fs';
import Ajv from 'ajv';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { jsonCodec, MessageType } from '@hubline/protocol';
import { json, message } from './arbitraries.ts';

const textOf = (name: string): string => readFileSync(new URL(`../../../docs/protocol/${name}`, import.meta.url), 'utf8');
const schema = JSON.parse(textOf('messages.schema.json')) as object;
const ajv = new Ajv().addSchema(schema, 'messages');

/** Returns the errors of a value, or undefined if the schema accepts it. */
function errorsOf(value: unknown, definition = ''): string | undefined {
  return ajv.validate(`messages#${definition && `/definitions/${definition}`}`, value) ? undefined : ajv.errorsText();
}

/** Whether the JSON codec refuses the message. */
function isRefused(value: object): boolean {
  try {
    jsonCodec.decoder().push(`${JSON.stringify(value)}\u001e`, () => undefined);
    return false;
  } catch {
    return true;
  }
}

describe('messages.schema.json', () => {
  it('the schema accepts every message that the JSON codec writes', () => {
    fc.assert(
      fc.property(message, (sent) => {
        expect(errorsOf(JSON.parse(jsonCodec.encode(sent).toString().slice(0, -1)))).toBe(undefined);
      }),
      { numRuns: 500 },
    );
  });

  it('the schema refuses every message that the JSON codec refuses', () => {
    const properties = ['invocationId', 'target', 'arguments', 'streamIds', 'item', 'result', 'error', 'sequenceId', 'credit', 'code'];
    const changes = fc.dictionary(fc.constantFrom(...properties), fc.oneof(json, fc.constant(undefined)), { minKeys: 1 });
    let refused = 0;
    fc.assert(
      fc.property(message, changes, (sent, change) => {
        const changed = JSON.parse(JSON.stringify({ ...sent, ...change })) as object;
        if (!isRefused(changed)) return;
        refused++;
        expect(errorsOf(changed)).not.toBe(undefined);
      }),
      { numRuns: 2000 },
    );
    expect(refused).toBeGreaterThan(100);
  });

  it('the schema accepts every message of the transcripts', () => {
    const valid = textOf('transcripts.md').split('\n## Unusual clients')[0] ?? '';
    const records = [...valid.matchAll(/\{".*?\}(?=¶|$)/gm)].map(([text]) => JSON.parse(text) as Record<string, unknown>);
    const kinds = records.map((record) => {
      const [definition, kind] =
        'type' in record ? ['', Object.entries(MessageType).find(([, type]) => type === record.type)?.[0]]
        : 'protocol' in record ? ['handshakeRequest', 'handshakeRequest']
        : 'negotiateVersion' in record ? ['negotiated', 'negotiated']
        : ['handshakeResponse', 'handshakeResponse'];
      return errorsOf(record, definition) ?? kind;
    });
    const written = ['Invocation', 'StreamItem', 'Completion', 'StreamInvocation', 'CancelInvocation', 'Close', 'Credit'];
    expect(new Set(kinds)).toEqual(new Set([...written, 'handshakeRequest', 'handshakeResponse', 'negotiated']));
  });
});
