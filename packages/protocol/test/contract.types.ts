/**
 * Contracts that must compile, and others that must not. `tsc` checks this file: a missing expected error is an error.
 */
import { defineHub, type Contract, type Equal, type HubInput, type HubOutput } from '@hubline/protocol';

const expectType = <_T extends true>(): void => {};

interface Message {
  readonly text: string;
  readonly replies: readonly Message[];
}
interface Good {
  join(room: string): Promise<readonly string[]>;
  say(room: string, text?: string): Promise<{ id: string }>;
  leave(): Promise<void>;
  history(room: string): AsyncIterable<Message>;
  import(room: string, lines: AsyncIterable<Message>): Promise<number>;
  zip(left: AsyncIterable<number>, right: AsyncIterable<string>): AsyncIterable<[number, string]>;
  blob(bytes: Uint8Array): Promise<unknown>;
}
interface GoodReceiver {
  said(message: Message): void;
  confirm(question: string): Promise<boolean>;
}
const good = defineHub<Good, GoodReceiver, { role: string; level: number }>('good', {
  history: 'stream',
  import: { uploads: 1 },
  zip: { stream: true, uploads: 2 },
});

expectType<Equal<HubInput<typeof good, 'say'>, [room: string, text?: string | undefined]>>();
expectType<Equal<HubInput<typeof good, 'import'>, [room: string]>>();
expectType<Equal<HubOutput<typeof good, 'say'>, { id: string }>>();
expectType<Equal<HubOutput<typeof good, 'history'>, Message>>();
expectType<Equal<typeof good, Contract<Good, GoodReceiver, { role: string; level: number }>>>();

interface Plain {
  ping(): Promise<void>;
}
defineHub<Plain>('plain');
defineHub<Plain>('plain', {});
defineHub<Plain>('plain', { ping: { args: 0 } });
// @ts-expect-error the method has no parameters
defineHub<Plain>('plain', { ping: { args: 1 } });
// @ts-expect-error the method does not stream
defineHub<Plain>('plain', { ping: 'stream' });
// @ts-expect-error there is no such method
defineHub<Plain>('plain', { pong: { args: 0 } });
const streams = {
  history: { stream: true, args: 1 },
  import: { uploads: 1, args: 1 },
  zip: { stream: true, uploads: 2, args: 0 },
} as const;
defineHub<Good>('good', { ...streams, say: { args: [1, 2] } });
// @ts-expect-error an optional parameter needs the least and the most
defineHub<Good>('good', { ...streams, say: { args: 2 } });
// @ts-expect-error streams are not counted among the arguments
defineHub<Good>('good', { ...streams, import: { uploads: 1, args: 2 } });
// @ts-expect-error streaming methods must be in kinds
defineHub<Good>('good');
// @ts-expect-error a method with two uploads is missing in kinds
defineHub<Good>('good', { history: 'stream', import: { uploads: 1 } });
// @ts-expect-error the number of uploads is wrong
defineHub<Good>('good', { history: 'stream', import: { uploads: 2 }, zip: { stream: true, uploads: 2 } });
// @ts-expect-error a method without streams is in kinds
defineHub<Good>('good', { history: 'stream', import: { uploads: 1 }, zip: { stream: true, uploads: 2 }, say: 'stream' });

// @ts-expect-error overloads
defineHub<{ m: { (a: string): Promise<void>; (a: number): Promise<void> } }>('x');
// @ts-expect-error type parameters
defineHub<{ m<T>(a: T): Promise<T> }>('x');
// @ts-expect-error any as a parameter
defineHub<{ m(a: any): Promise<void> }>('x');
// @ts-expect-error any as a result
defineHub<{ m(): Promise<any> }>('x');
// @ts-expect-error any deep inside
defineHub<{ m(a: { b: readonly { c: any }[] }): Promise<void> }>('x');
// @ts-expect-error any as a method
defineHub<{ m: any }>('x');
// @ts-expect-error optional members
defineHub<{ m?(): Promise<void> }>('x');
// @ts-expect-error members that are not methods
defineHub<{ m: string }>('x');
// @ts-expect-error hub results are promises or streams
defineHub<{ m(): void }>('x');
// @ts-expect-error hub results are promises or streams
defineHub<{ m(): string }>('x');
// @ts-expect-error receiver results are void or promises
defineHub<Plain, { m(): string }>('x');
// @ts-expect-error no stream from a receiver
defineHub<Plain, { m(): AsyncIterable<string> }>('x');
// @ts-expect-error a result of a receiver has a value
defineHub<Plain, { m(): Promise<void> }>('x');
// @ts-expect-error a result of a receiver is never undefined
defineHub<Plain, { m(): Promise<string | undefined> }>('x');
defineHub<Plain, { m(): Promise<string | null>; n(): Promise<unknown> }>('x');
// @ts-expect-error no stream into a receiver
defineHub<Plain, { m(a: AsyncIterable<string>): Promise<void> }>('x');
// @ts-expect-error stream parameters come last
defineHub<{ m(a: AsyncIterable<string>, b: string): Promise<void> }>('x', { m: { uploads: 1 } });
// @ts-expect-error functions
defineHub<{ m(a: () => void): Promise<void> }>('x');
// @ts-expect-error bigint
defineHub<{ m(a: bigint): Promise<void> }>('x');
// @ts-expect-error symbol
defineHub<{ m(a: symbol): Promise<void> }>('x');
// @ts-expect-error Date
defineHub<{ m(): Promise<Date> }>('x');
// @ts-expect-error Date in a union
defineHub<{ m(a: string | Date): Promise<void> }>('x');
// @ts-expect-error Map
defineHub<{ m(a: Map<string, string>): Promise<void> }>('x');
// @ts-expect-error Set in a property
defineHub<{ m(a: { tags: Set<string> }): Promise<void> }>('x');
// @ts-expect-error Date in a receiver
defineHub<Plain, { m(a: Date): void }>('x');
// @ts-expect-error names that differ only by case
defineHub<{ say(): Promise<void>; Say(): Promise<void> }>('x');
// @ts-expect-error names of JavaScript
defineHub<{ then(): Promise<void> }>('x');
// @ts-expect-error names of JavaScript
defineHub<{ constructor(): Promise<void> }>('x');
// @ts-expect-error names of JavaScript
defineHub<Plain, { toJSON(): void }>('x');
// @ts-expect-error attributes are plain values
defineHub<Plain, Record<never, never>, { role: { name: string } }>('x');
