import { expect, it } from 'vitest';
import { defineHub, streamUse } from '@hubline/protocol';

interface Hub {
  say(text: string): Promise<void>;
  history(): AsyncIterable<string>;
  import(lines: AsyncIterable<string>): Promise<number>;
  zip(left: AsyncIterable<string>, right: AsyncIterable<string>): AsyncIterable<string>;
}
const kinds = { history: 'stream', import: { uploads: 1 }, zip: { stream: true, uploads: 2 } } as const;

it('keeps the name and the kinds of a contract, and nothing else', () => {
  expect(defineHub<Hub>('chat', kinds)).toStrictEqual({ name: 'chat', kinds });
  expect(defineHub<{ ping(): Promise<void> }>('plain')).toStrictEqual({ name: 'plain', kinds: {} });
});

it('says how a method uses streams', () => {
  expect(streamUse(undefined)).toEqual({ stream: false, uploads: 0 });
  expect(streamUse(kinds.history)).toEqual({ stream: true, uploads: 0 });
  expect(streamUse(kinds.import)).toEqual({ stream: false, uploads: 1 });
  expect(streamUse(kinds.zip)).toEqual({ stream: true, uploads: 2 });
});
