import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { CODES } from '../src/remote-error.ts';

/** What no server says to a client, or says only of itself. */
const OTHERS = [
  'internal',
  'invalid_result',
  'already_connected',
  'wrong_node',
  'attribute_not_indexed',
  'empty_target',
  'negotiation_failed',
  'invalid_option',
];

it('has decided about every code whether a server may tell it', () => {
  const documented = readFileSync(new URL('../../../docs/errors.md', import.meta.url), 'utf8').matchAll(/^\| `(\w+)`/gm);
  expect([...CODES.split(' '), ...OTHERS].sort()).toEqual([...documented].map(([, code]) => code).sort());
});
