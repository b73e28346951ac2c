/**
 * Measures the cost of escapes when JSON is parsed: .NET writes every character beyond ASCII as `\u00xx`. Compares the same messages plain,
 * escaped by .NET's rules, with escaped letters of `__proto__`, and with a property of that name. The result is the ratio to plain ones.
 * `npx tsc -b packages/protocol && node bench/json-escapes.mjs [--rounds 40]`
 */
import { jsonCodec } from '@hubline/protocol';
import { parseArgs } from 'node:util';

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '40' } } });
const ROUNDS = Number(values.rounds);
const TIMES = 200;

const rows = (name) =>
  Array.from({ length: 40 }, (_, id) => ({ id, [name]: 'Grüße an alle', at: '2026-11-30T07:00:00Z', tags: ['a', 'b'] }));
const record = (name = 'name') => jsonCodec.encode({ type: 1, target: 'said', arguments: rows(name) });
const escaped = (text, pattern) => text.replace(pattern, (each) => `\\u${each.charCodeAt(0).toString(16).padStart(4, '0')}`);
const SPELLINGS = {
  plain: record(),
  'escaped as .NET does': escaped(record(), /[üß]/g),
  'letters of __proto__ escaped': escaped(record(), /r/g),
  'a property __proto__': record('x').replaceAll('"x"', '"__proto__"'),
};

const read = (text) => {
  for (let i = 0; i < TIMES; i++) jsonCodec.decoder().push(text, () => {});
};
const fastest = Object.fromEntries(Object.keys(SPELLINGS).map((name) => [name, Infinity]));
for (let round = 0; round < ROUNDS; round++) {
  for (const [name, text] of Object.entries(SPELLINGS)) {
    const start = process.hrtime.bigint();
    read(text);
    fastest[name] = Math.min(fastest[name], Number(process.hrtime.bigint() - start) / TIMES / 1000);
  }
}
for (const [name, us] of Object.entries(fastest)) {
  console.log(`${name.padEnd(32)} ${us.toFixed(1).padStart(7)} µs a message, ratio ${(us / fastest.plain).toFixed(2)}`);
}
