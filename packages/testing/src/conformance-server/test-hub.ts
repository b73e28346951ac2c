import { hubError, type Context, type Methods } from '@hubline/server';

/** Attributes that a connection declares with `?attr.role=admin`, and those that `attributes.set` sets. */
export type TestAttributes = Readonly<Record<string, string | number | boolean>>;

/** The hub that the functional tests of ASP.NET Core's clients call (TestHub.cs), under the names used there. */
export interface TestHub {
  HelloWorld(): Promise<string>;
  Echo(message: unknown): Promise<unknown>;
  CallEcho(message: string): Promise<void>;
  CallHandlerThatDoesntExist(): Promise<void>;
  InvokeWithString(message: string): Promise<void>;
  SendCustomObject(object: unknown): Promise<void>;
  EchoComplexObject(object: unknown): Promise<unknown>;
  SendComplexObject(): Promise<unknown>;
  EchoOrder(order: unknown): Promise<unknown>;
  LongText(length: number): Promise<string>;
  Refused(): Promise<void>;
  ThrowException(message: string): Promise<void>;
  ThrowHubException(message: string): Promise<void>;
  CallWithUnserializableObject(): Promise<void>;
  GetUnserializableObject(): Promise<unknown>;
  Stream(): AsyncIterable<string>;
  StreamNumbers(count: number): AsyncIterable<number>;
  InfiniteStream(): AsyncIterable<string>;
  StreamMany(count: number): AsyncIterable<number>;
  StreamFails(message: string): AsyncIterable<number>;
  EmptyStream(): AsyncIterable<number>;
  StreamThrowException(message: string): AsyncIterable<string>;
  StreamException(): AsyncIterable<number>;
  StreamBroken(): AsyncIterable<number>;
  StreamingConcat(parts: AsyncIterable<string>): Promise<string>;
  StreamEcho(items: AsyncIterable<string>): AsyncIterable<string>;
  StreamEchoInt(items: AsyncIterable<number>): AsyncIterable<number>;
  StreamIAsyncConsumer(items: AsyncIterable<string>): AsyncIterable<string>;
  StreamEchoUntilCanceled(items: AsyncIterable<string>): AsyncIterable<string>;
  CountInOrder(items: AsyncIterable<number>): Promise<number>;
  SendMany(count: number): Promise<void>;
  AskCaller(): Promise<number | null>;
  GetCallerConnectionId(): Promise<string>;
  GetUserIdentifier(): Promise<string | null>;
  GetNumRedirects(): Promise<number>;
  GetActiveTransportName(): Promise<string>;
  GetHttpProtocol(): Promise<string>;
  GetContentTypeHeader(): Promise<string | null>;
  GetHeader(name: string): Promise<string | null>;
  GetHeaderValues(names: readonly string[]): Promise<readonly (string | null)[]>;
  GetCookie(name: string): Promise<string | null>;
  GetCookieValue(name: string): Promise<string | null>;
  Abort(): Promise<void>;
  AbortAllowingReconnect(): Promise<void>;
}

export interface TestReceiver {
  Message(text: string): void;
  Echo(message: string): void;
  CustomObject(object: unknown): void;
  StreamCanceled(): void;
  NoClientHandler(): void;
  Foo(object: unknown): void;
  Result(): Promise<number | null>;
  OtherResult(): Promise<number | null>;
  NoResult(): Promise<number | null>;
}

type TestContext = Context<TestReceiver, TestAttributes>;

/** The .NET error of an invalid operation. Tests of clients compare its name and text. */
export class InvalidOperationException extends Error {
  override readonly name = 'InvalidOperationException';
}

const header = ({ request }: TestContext, name: string): string | null => {
  const value = request.headers[name.toLowerCase()];
  return value === undefined ? null : String(value);
};
const cookie = ({ request }: TestContext, name: string): string | null => request.cookies[name] ?? null;

export const testMethods: Methods<TestHub, TestContext, Record<never, never>> = {
  HelloWorld: async () => 'Hello World!',
  Echo: async (_ctx, message) => message,
  CallEcho: async ({ clients }, message) => void (await clients.caller.send.Echo(message)),
  CallHandlerThatDoesntExist: async ({ clients }) => void (await clients.caller.send.NoClientHandler()),
  InvokeWithString: async ({ clients }, message) => void (await clients.caller.send.Message(message)),
  SendCustomObject: async ({ clients }, object) => void (await clients.caller.send.CustomObject(object)),
  EchoComplexObject: async (_ctx, object) => object,
  SendComplexObject: async () => COMPLEX_OBJECT,
  EchoOrder: async (_ctx, order) => order,
  LongText: async (_ctx, length) => 'x'.repeat(length),
  Refused: async () => undefined,
  async ThrowException(_ctx, message) {
    throw new InvalidOperationException(message);
  },
  async ThrowHubException(_ctx, message) {
    throw hubError(message);
  },
  CallWithUnserializableObject: async ({ clients }) => void (await clients.all.send.Foo(unserializable())),
  GetUnserializableObject: async () => unserializable(),

  async *Stream() {
    yield* ['a', 'b', 'c'];
  },
  async *StreamNumbers(ctx, count) {
    for (let i = 0; i < count; i++) {
      yield i;
      await pause(STREAM_PAUSE_MS, ctx.signal);
    }
  },
  async *StreamMany(_ctx, count) {
    for (let i = 0; i < count; i++) yield i;
  },
  async *StreamFails(_ctx, message) {
    yield 1;
    throw new InvalidOperationException(message);
  },
  InfiniteStream({ signal, clients }) {
    // Outside the generator, because the generator never starts if the caller cancels before it requests the first item.
    const cancelled = aborted(signal).then(() => clients.caller.send.StreamCanceled());
    return (async function* (): AsyncGenerator<string> {
      await cancelled;
    })();
  },
  async *EmptyStream() {},
  StreamThrowException(_ctx, message) {
    throw new InvalidOperationException(message);
  },
  StreamException() {
    throw new InvalidOperationException('Error occurred while streaming.');
  },
  StreamBroken: () => null as unknown as AsyncIterable<number>, // a program without types can return it
  async StreamingConcat(_ctx, parts) {
    let text = '';
    for await (const part of parts) text += part;
    return text;
  },
  StreamEcho: (_ctx, items) => items,
  StreamEchoInt: (_ctx, items) => items,
  StreamIAsyncConsumer: (_ctx, items) => items,
  StreamEchoUntilCanceled({ signal, clients }, items) {
    void aborted(signal).then(() => clients.caller.send.StreamCanceled());
    return items;
  },
  async CountInOrder(_ctx, items) {
    let count = 0;
    for await (const item of items) if (item !== count++) throw new InvalidOperationException(`Item ${count - 1} is ${item}.`);
    return count;
  },
  async SendMany({ clients }, count) {
    for (let i = 0; i < count; i++) clients.caller.send.Message(`message ${i}`);
  },
  AskCaller: ({ clients }) => clients.caller.invoke.Result(),

  GetCallerConnectionId: async ({ connectionId }) => connectionId,
  GetUserIdentifier: async ({ userId }) => userId ?? null,
  GetNumRedirects: async ({ request }) => Number(request.url.searchParams.get('numRedirects') ?? 0),
  GetActiveTransportName: async ({ transport }) => transport,
  GetHttpProtocol: async () => 'HTTP/1.1', // node:http speaks no other
  GetContentTypeHeader: async (ctx) => header(ctx, 'content-type'),
  GetHeader: async (ctx, name) => header(ctx, name),
  GetHeaderValues: async (ctx, names) => names.map((name) => header(ctx, name)),
  GetCookie: async (ctx, name) => cookie(ctx, name),
  GetCookieValue: async (ctx, name) => cookie(ctx, name),
  Abort: async ({ hub, connectionId }) => void (await hub.disconnect({ connection: connectionId })),
  AbortAllowingReconnect: async ({ hub, connectionId }) =>
    void (await hub.disconnect({ connection: connectionId }, { allowReconnect: true })),
};

const COMPLEX_OBJECT = {
  ByteArray: Uint8Array.of(1, 2, 3),
  DateTime: new Date('2000-01-01T00:00:00Z'),
  Guid: '00010203-0405-0607-0706-050403020100',
  IntArray: [1, 2, 3],
  String: 'hello world',
};

const STREAM_PAUSE_MS = 20;

function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    // eslint-disable-next-line no-restricted-syntax -- the stream is slow on purpose
    const timer = setTimeout(end, ms);
    signal.addEventListener('abort', end);
    function end(): void {
      clearTimeout(timer);
      signal.removeEventListener('abort', end);
      resolve();
    }
  });
}

const unserializable = (): unknown => ({ Self: () => undefined });

function aborted(signal: AbortSignal): Promise<void> {
  if (signal.aborted) return Promise.resolve();
  return new Promise((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }));
}
