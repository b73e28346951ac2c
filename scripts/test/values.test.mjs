/** Checks the table of values in the guide to contracts: each value is sent through both codecs. */
import { readFileSync } from 'node:fs';
import { inspect } from 'node:util';
import { jsonCodec } from '@hubline/protocol';
import { messagePack } from '@hubline/server/messagepack';
import { expect, it } from 'vitest';

const document = readFileSync(new URL('../../docs/guides/contracts.md', import.meta.url), 'utf8');
const rows = [...document.matchAll(/^\| `([^|]+)` \| (?:yes|no) \| ([^|]+) \| ([^|]+) \|$/gm)].map(([, ...cells]) => cells);

/** Returns the value that arrives, or the code of the error, as the table writes them. */
function arrives(codec, value) {
  const messages = [];
  try {
    codec.decoder().push(codec.encode({ type: 1, target: 'say', arguments: [value] }), (message) => messages.push(message));
  } catch (error) {
    return `\`${error.code}\``;
  }
  return `\`${inspect(messages[0].arguments[0])}\``;
}

it('docs/guides/contracts.md lists values', () => {
  expect(rows.length).toBeGreaterThan(20);
});

it.each(rows)('docs/guides/contracts.md says what arrives of %s', (expression, json, messagepack) => {
  const value = new Function(`return (${expression})`)();
  expect([arrives(jsonCodec, value), arrives(messagePack(), value)]).toEqual([json, messagepack]);
});
