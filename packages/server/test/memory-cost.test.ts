import { expect, it } from 'vitest';
import { costOf } from '../src/connection/cost.ts';
import { heapInUse } from './heap.ts';

const listOf = (count: number, item: (at: number) => string): string =>
  `[${Array.from({ length: count }, (_none, at) => item(at)).join()}]`;

it.each([
  ['empty objects', () => listOf(1000, () => '{}')],
  ['empty lists', () => listOf(1000, () => '[]')],
  ['whole numbers', () => listOf(1000, String)],
  ['fractions', () => listOf(1000, (at) => `${at}.5`)],
  ['short texts', (round: number) => listOf(1000, (at) => `"text ${round} ${at}"`)],
  ['one long text', (round: number) => `["${round}${'é€'.repeat(10_000)}"]`],
  ['objects of one shape', () => listOf(500, (at) => `{"id":${at},"name":"n${at}","tags":["a","b"]}`)],
  ['objects with keys of their own', (round: number) => listOf(300, (at) => `{"k${round}_${at}":1,"l${round}_${at}":2}`)],
  ['deep lists', () => listOf(100, () => '['.repeat(30) + ']'.repeat(30))],
])('costOf estimates the memory of %s within a factor', (_what, make) => {
  const texts = Array.from({ length: 200 }, (_none, round) => Buffer.from(make(round)).toString()); // each in one piece
  const kept: unknown[] = [];
  const before = heapInUse();
  for (const text of texts) kept.push(JSON.parse(text));
  const needed = heapInUse() - before;
  const estimated = kept.reduce<number>((sum, value) => sum + costOf(value), 0);
  expect(estimated).toBeGreaterThan(needed * 0.7);
  expect(estimated).toBeLessThan(needed * 6);
});

it('costOf counts bytes by their length, and accepts any depth', () => {
  expect(costOf(new Uint8Array(1000))).toBeGreaterThanOrEqual(1000);
  let deep: unknown = [];
  for (let i = 0; i < 100_000; i++) deep = [deep];
  expect(costOf(deep)).toBeGreaterThan(0);
  expect([costOf(null), costOf(undefined), costOf(1n), costOf(true)].every((cost) => cost > 0)).toBe(true);
});
