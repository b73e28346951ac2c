import { expect, it } from 'vitest';
import { errorOf } from './error-of.ts';
import { defineHub, methodKind } from '@hubline/protocol';

interface Hub {
  say(text: string): Promise<void>;
  history(): AsyncIterable<string>;
  import(lines: AsyncIterable<string>): Promise<number>;
  zip(left: AsyncIterable<string>, right: AsyncIterable<string>): AsyncIterable<string>;
}
const kinds = { history: 'stream', import: { uploads: 1 }, zip: { stream: true, uploads: 2 } } as const;

it('defineHub returns only the name and the kinds of a contract', () => {
  expect(defineHub<Hub>('chat', kinds)).toStrictEqual({ name: 'chat', kinds });
  expect(defineHub<{ ping(): Promise<void> }>('plain')).toStrictEqual({ name: 'plain', kinds: {} });
});

it('methodKind returns how a method uses streams', () => {
  expect(methodKind(undefined)).toEqual({ stream: false, uploads: 0, args: undefined });
  expect(methodKind(kinds.history)).toEqual({ stream: true, uploads: 0, args: undefined });
  expect(methodKind(kinds.import)).toEqual({ stream: false, uploads: 1, args: undefined });
  expect(methodKind(kinds.zip)).toEqual({ stream: true, uploads: 2, args: undefined });
});

it('methodKind returns how many arguments a method takes', () => {
  expect(methodKind({ args: 2 }).args).toEqual([2, 2]);
  expect(methodKind({ stream: true, args: [1, 2] })).toEqual({ stream: true, uploads: 0, args: [1, 2] });
  for (const args of ['2', -1, 1.5, NaN, null, [2, 1], [1], {}, [-1, 2], ['1', 2], [1, '2'], [1, Infinity]]) {
    expect(errorOf(() => methodKind({ args }))).toMatchObject({ code: 'invalid_option', details: { option: 'args' } });
  }
});
