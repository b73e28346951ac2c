/**
 * The types that users of the client get, and code that must not compile. `tsc` checks this file: a missing expected error is
 * an error.
 */
/* eslint-disable @typescript-eslint/no-unsafe-call, @typescript-eslint/no-unused-expressions -- what does not compile has no type */
import {
  createHubConnection,
  defineHub,
  longPolling,
  type BackoffOptions,
  type CallOptions,
  type HubConnectionOptions,
  type ConnectionOf,
  type HubConnection,
  type HublineError,
  type AnyHublineError,
} from '@hubline/client';
import type { Equal } from '@hubline/protocol';
import * as valibot from 'valibot';
import { z } from 'zod';

const expectType = <_T extends true>(): void => {};

interface Message {
  readonly from: string;
  readonly text: string;
}
interface Hub {
  join(room: string): Promise<readonly string[]>;
  say(room: string, text?: string): Promise<{ id: string }>;
  leave(): Promise<void>;
  level(): Promise<'low' | 'high'>;
  history(room: string): AsyncIterable<Message>;
  import(room: string, lines: AsyncIterable<Message>): Promise<number>;
}
interface Receiver {
  said(message: Message): void;
  confirm(question: string): Promise<boolean>;
  mood(): Promise<'good' | 'bad'>;
}
const chat = defineHub<Hub, Receiver>('chat', { history: 'stream', import: { uploads: 1 } });
const connection = createHubConnection(chat, '/hubs/chat');

expectType<Equal<typeof connection, HubConnection<Hub, Receiver>>>();
const { invoke, send, stream } = connection;
expectType<Equal<typeof invoke.join, (room: string) => Promise<readonly string[]>>>();
expectType<Equal<typeof invoke.say, (room: string, text?: string) => Promise<{ id: string }>>>();
expectType<Equal<typeof invoke.leave, () => Promise<void>>>();
expectType<Equal<typeof invoke.level, () => Promise<'low' | 'high'>>>();
expectType<Equal<typeof invoke.import, (room: string, lines: AsyncIterable<Message>) => Promise<number>>>();
expectType<Equal<typeof send.say, (room: string, text?: string) => void>>();
expectType<Equal<typeof stream.history, (room: string) => AsyncIterable<Message>>>();
expectType<Equal<keyof typeof invoke, 'join' | 'say' | 'leave' | 'level' | 'import'>>();
expectType<Equal<keyof typeof stream, 'history'>>();
expectType<Equal<ReturnType<typeof connection.with>['invoke'], typeof invoke>>();
expectType<Equal<ReturnType<typeof connection.call>, Promise<unknown>>>();

void invoke.join('lobby');
// @ts-expect-error arguments have types
void invoke.join(1);
// @ts-expect-error arguments are required
void invoke.join();
// @ts-expect-error there is no such method
void invoke.jion('lobby');
// @ts-expect-error a streaming method is not invoked
void invoke.history('lobby');
// @ts-expect-error a method without a stream is not streamed
stream.join('lobby');
// @ts-expect-error a streaming method is not sent
send.history('lobby');
declare const numbers: AsyncIterable<number>;
// @ts-expect-error uploads have types
void invoke.import('lobby', numbers);
// @ts-expect-error `invoke` is no promise
invoke.then;

createHubConnection(chat, '/hubs/chat', {
  accessToken: ({ fresh }) => (fresh ? 'new' : Promise.resolve('old')),
  reconnect: { firstMs: 100, initial: true },
  receiver: {
    said(message) {
      expectType<Equal<typeof message, Message>>();
    },
    confirm: async (question) => question.length > 3,
    mood: async () => 'good',
  },
});
// A receiver may ignore arguments, and accept wider types.
connection.receive({ said() {}, confirm: async (question: string | undefined) => question !== undefined });
// @ts-expect-error receivers get the arguments of the contract
connection.receive({ said(message: { from: number }) {} });
// @ts-expect-error a receiver cannot require more than the contract has
connection.receive({ said(message: Message & { at: number }) {} });
// @ts-expect-error results have types
connection.receive({ confirm: async () => 'yes' });
// @ts-expect-error literals do not widen
connection.receive({ mood: async () => 'fine' });
// @ts-expect-error a receiver of a call returns a result
connection.receive({ confirm: () => {} });
// @ts-expect-error results are promised
connection.receive({ confirm: () => true });
// @ts-expect-error there is no such receiver
connection.receive({ siad() {} });
// @ts-expect-error there is no such receiver
createHubConnection(chat, '/hubs/chat', { receiver: { siad() {} } });
// @ts-expect-error receivers get the arguments of the contract
createHubConnection(chat, '/hubs/chat', { receiver: { said(message: { from: number }) {} } });

createHubConnection(chat, '/hubs/chat', {
  results: {
    say: z.object({ id: z.string() }),
    level: z.enum(['low', 'high']),
    history: valibot.object({ from: valibot.string(), text: valibot.string() }),
    import: z.string().transform(Number),
  },
});
// @ts-expect-error the output of a schema has the type of the contract
createHubConnection(chat, '/hubs/chat', { results: { say: z.object({ id: z.number() }) } });
// @ts-expect-error a property is missing
createHubConnection(chat, '/hubs/chat', { results: { say: valibot.object({}) } });
// @ts-expect-error a schema does not widen literals
createHubConnection(chat, '/hubs/chat', { results: { level: z.string() } });
// @ts-expect-error the schema of a stream is for one item
createHubConnection(chat, '/hubs/chat', { results: { history: z.array(z.object({ from: z.string(), text: z.string() })) } });
// @ts-expect-error there is no such method
createHubConnection(chat, '/hubs/chat', { results: { shout: z.string() } });

createHubConnection(chat, '/hubs/chat', { args: { confirm: z.tuple([z.string()]) } });
// @ts-expect-error the output of a schema has the parameters of the contract
createHubConnection(chat, '/hubs/chat', { args: { confirm: z.tuple([z.number()]) } });
// @ts-expect-error there is no such receiver
createHubConnection(chat, '/hubs/chat', { args: { siad: z.tuple([z.string()]) } });

connection.on('state', (state) => {
  if (state.name === 'reconnecting') expectType<Equal<typeof state.delayMs, number>>();
  // @ts-expect-error a delay exists only while waiting
  state.delayMs;
});
connection.on('reconnected', (id) => expectType<Equal<typeof id, string | undefined>>());
connection.on('closed', (cause) => expectType<Equal<typeof cause, Error | undefined>>());
connection.on('lost', ({ method, error }) => expectType<Equal<[typeof method, typeof error], [string, Error]>>());
// @ts-expect-error there is no such event
connection.on('open', () => {});
// @ts-expect-error the state is read-only
connection.state = { name: 'idle' };

declare const error: AnyHublineError;
if (error.code === 'call_timeout') expectType<Equal<typeof error.details, { readonly method: string; readonly timeoutMs: number }>>();
expectType<Equal<HublineError<'call_timeout'>['details'], { readonly method: string; readonly timeoutMs: number }>>();

// Events are registered by name, also in generic helpers.
expectType<Equal<ConnectionOf<typeof chat>, HubConnection<Hub, Receiver>>>();
connection.on('said', (message) => expectType<Equal<typeof message, Message>>());
connection.once('said', (message) => expectType<Equal<typeof message, Message>>());
connection.receive('confirm', async (question) => question === 'Sure?');
connection.once('closed', (cause) => expectType<Equal<typeof cause, Error | undefined>>());
// @ts-expect-error there is no such event
connection.on('siad', () => {});
// @ts-expect-error a receiver returns the result of the contract
connection.receive('confirm', async () => 'yes');
/** A generic helper that registers one event. */
export const listen = <H, R, K extends keyof R & string>(to: HubConnection<H, R>, name: K, handler: R[K]): (() => void) =>
  to.receive(name, handler);
listen(connection, 'said', (message) => expectType<Equal<typeof message, Message>>());
// An option of undefined means its default.
createHubConnection(chat, '/hubs/chat', { accessToken: undefined, reconnect: undefined, logger: undefined, headers: undefined });
connection.with({ timeoutMs: undefined, signal: undefined, window: undefined });
connection.with({ window: 2 }).stream.history('lobby');

// Options may be undefined under `exactOptionalPropertyTypes`.
type Unset<T> = { readonly [K in keyof T]-?: undefined };
const unset = <T>(): Unset<T> => ({}) as never;
createHubConnection(chat, '/hubs/chat', unset<HubConnectionOptions<Hub, Receiver>>());
createHubConnection(chat, '/hubs/chat', { keepAliveMs: undefined, reconnect: unset<BackoffOptions>() });
connection.with({ timeoutMs: undefined, window: undefined, signal: undefined });
void connection.call('say', [], unset<CallOptions>());
void longPolling({ timeoutMs: undefined });
void connection.start({ signal: undefined });
