import { MessageType, defineHub } from '@hubline/protocol';
import { createHubServer, forbidden, HublineError, hubError, jsonCodec, unauthorized } from '@hubline/server';
import { messagePack } from '@hubline/server/messagepack';
import { describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { readMessagePack, writeMessagePack } from './fuzz/reference-messagepack.ts';
import { TestClock } from './test-clock.ts';

/**
 * The fields that ASP.NET Core's protocols write to a client, by type: JsonHubProtocol.cs and MessagePackHubProtocolWorker.cs. Null: a
 * server never sends it to a client that asked for no more than SignalR has had since 2018. `lengths` are those of the arrays.
 */
const ASP_NET_CORE: Record<MessageType, { readonly fields: readonly string[]; readonly lengths: readonly number[] } | null> = {
  [MessageType.Invocation]: { fields: ['type', 'invocationId', 'target', 'arguments'], lengths: [6] },
  [MessageType.StreamItem]: { fields: ['type', 'invocationId', 'item'], lengths: [4] },
  [MessageType.Completion]: { fields: ['type', 'invocationId', 'error', 'result'], lengths: [4, 5] },
  [MessageType.Ping]: { fields: ['type'], lengths: [1] },
  [MessageType.Close]: { fields: ['type', 'error', 'allowReconnect'], lengths: [3] },
  [MessageType.StreamInvocation]: null,
  [MessageType.CancelInvocation]: null,
  [MessageType.Ack]: null,
  [MessageType.Sequence]: null,
  [MessageType.Credit]: null,
};

interface Calls {
  echo(value: unknown): Promise<unknown>;
  fail(how: string): Promise<unknown>;
  count(to: number): AsyncIterable<number>;
  broken(how: string): AsyncIterable<number>;
  sum(numbers: AsyncIterable<number>): Promise<number>;
}
interface Receiver {
  said(text: string): void;
  confirm(question: string): Promise<string>;
}
const contract = defineHub<Calls, Receiver>('plain', { count: 'stream', broken: 'stream', sum: { uploads: 1 } });
const ERRORS: Record<string, () => unknown> = {
  plain: () => new TypeError('secret'),
  text: () => 'text',
  hub: () => hubError('Not here.'),
  unauthorized: () => unauthorized(),
  forbidden: () => forbidden('Never.'),
  details: () => new HublineError('limit_exceeded', 'Too many.', { limit: 'rooms', max: 3 }),
};

/** The arrays of {@link https://github.com/dotnet/aspnetcore/blob/main/src/SignalR/docs/specs/HubProtocol.md} or the objects. */
type Received = Readonly<Record<string, unknown>> | readonly unknown[];
const typeOf = (received: Received): unknown =>
  Array.isArray(received) ? (received as readonly unknown[])[0] : (received as { type: unknown }).type;

/** A client that does not announce Hubline, and keeps each message. */
class PlainClient implements AsyncDisposable {
  readonly received: Received[] = [];
  handshake = '';
  readonly closed: Promise<unknown>;
  readonly #socket: WebSocket;
  readonly #protocol: string;

  constructor(port: number, protocol: string) {
    this.#protocol = protocol;
    this.#socket = new WebSocket(`ws://127.0.0.1:${port}/hub`);
    this.closed = new Promise((resolve) => this.#socket.on('close', resolve));
    this.#socket.on('open', () => this.#socket.send(`{"protocol":"${protocol}","version":1}\u001e`));
    this.#socket.on('message', (data: Buffer) => this.#take(data));
  }

  send(json: Record<string, unknown>, items: readonly unknown[]): void {
    if (this.#protocol === 'json') return this.#socket.send(`${JSON.stringify(json)}\u001e`);
    const body = writeMessagePack(items, () => 0);
    expect(body.length).toBeLessThan(128);
    this.#socket.send(Buffer.concat([Buffer.of(body.length), body]));
  }

  call(invocationId: string, target: string, ...args: readonly unknown[]): void {
    this.send({ type: 1, invocationId, target, arguments: args }, [1, {}, invocationId, target, args, []]);
  }
  stream(invocationId: string, target: string, ...args: readonly unknown[]): void {
    this.send({ type: 4, invocationId, target, arguments: args }, [4, {}, invocationId, target, args, []]);
  }
  ping(): void {
    this.send({ type: 6 }, [6]);
  }

  count(type: number): number {
    return this.received.filter((each) => typeOf(each) === type).length;
  }

  #take(data: Buffer): void {
    let rest = data;
    if (!this.handshake) {
      const end = data.indexOf(0x1e) + 1;
      this.handshake = data.subarray(0, end).toString();
      rest = data.subarray(end);
    }
    while (rest.length > 0) {
      if (this.#protocol === 'json') {
        const end = rest.indexOf(0x1e);
        this.received.push(JSON.parse(rest.subarray(0, end).toString()) as Received);
        rest = rest.subarray(end + 1);
      } else {
        const [low, high] = [rest[0]!, rest[1]!];
        const [at, size] = low < 128 ? [1, low] : [2, (low & 127) + high * 128];
        this.received.push(readMessagePack(rest.subarray(at, at + size)) as Received);
        rest = rest.subarray(at + size);
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    await this.closed;
  }
}

async function start(protocol: string) {
  const clock = new TestClock();
  const options = {
    detailedErrors: true,
    protocols: [jsonCodec, messagePack()],
    limits: { maxMessageBytes: 100 },
    timeouts: { keepAliveMs: 15_000 },
  };
  const server = createHubServer(options, clock);
  server.on('error', () => undefined); // errors of methods are part of the test
  const ids: string[] = [];
  let refuses = false;
  const hub = server.hub(contract, {
    path: '/hub',
    connected(ctx) {
      ids.push(ctx.connectionId);
      if (refuses) throw new HublineError('limit_exceeded', 'Full.', { limit: 'seats', max: 1 });
    },
    methods: {
      echo: async (_ctx, value) => value,
      fail: async (_ctx, how) => {
        throw ERRORS[how]?.();
      },
      async *count(_ctx, to) {
        for (let i = 0; i < to; i++) yield i;
      },
      async *broken(_ctx, how) {
        yield 1;
        throw ERRORS[how]?.();
      },
      sum: async (_ctx, numbers) => {
        let sum = 0;
        for await (const each of numbers) sum += each;
        return sum;
      },
    },
  });
  const port = await server.listen(0, '127.0.0.1');
  const clients: PlainClient[] = [];
  return {
    clock,
    server,
    hub,
    ids,
    refuse: () => (refuses = true),
    async client() {
      const client = new PlainClient(port, protocol);
      clients.push(client);
      const before = ids.length;
      await expect.poll(() => client.handshake).not.toBe('');
      await expect.poll(() => ids.length).toBeGreaterThan(before);
      return client;
    },
    /** Returns all messages that the clients have received. */
    received: () => clients.flatMap((client) => client.received),
    handshakes: () => clients.map((client) => client.handshake),
    async [Symbol.asyncDispose]() {
      for (const client of clients) await client[Symbol.asyncDispose]();
      await server.close();
    },
  };
}

/** Returns a message that ASP.NET Core would not send, and undefined for any other. */
function extras(received: Received): unknown {
  const plain = ASP_NET_CORE[typeOf(received) as MessageType];
  if (!plain) return received;
  if (Array.isArray(received)) {
    const items = received as readonly unknown[];
    const hasHeaders = items.length > 3 && Object.keys(items[1] as object).length > 0;
    return plain.lengths.includes(items.length) && !hasHeaders ? undefined : received;
  }
  const fields = received as Readonly<Record<string, unknown>>;
  const isPlain = Object.entries(fields).every(
    ([key, value]) => plain.fields.includes(key) && !(key === 'allowReconnect' && value !== true),
  );
  return isPlain ? undefined : received;
}

describe.each(['json', 'messagepack'])('a client that does not announce Hubline, over %s', (protocol) => {
  it('a client that does not announce Hubline gets exactly the fields that ASP.NET Core sends, in every message that this server can send', async () => {
    await using world = await start(protocol);
    const { hub, ids, clock } = world;
    const talker = await world.client();
    const id = ids.at(-1)!;

    // Completions with values, void and each kind of error, and streams with their ends.
    const calls = ['one', null, { deep: [1] }].map((value, i) => talker.call(`v${i}`, 'echo', value));
    for (const how of Object.keys(ERRORS)) {
      talker.call(`f-${how}`, 'fail', how);
      talker.stream(`s-${how}`, 'broken', how);
    }
    talker.stream('items', 'count', 3);
    talker.call('unknown', 'nope');
    talker.call('kind', 'count', 1);
    talker.stream('kind2', 'echo', 1);
    talker.call('uploads', 'sum');
    const completions = calls.length + 2 * Object.keys(ERRORS).length + 5;
    await expect.poll(() => talker.count(MessageType.Completion)).toBe(completions);

    // Events, and calls that are answered and cancelled.
    await hub.clients.all.send.said('hello');
    const asked = hub.clients.connection(id).invoke.confirm('Sure?');
    await expect.poll(() => talker.count(MessageType.Invocation)).toBe(2);
    const question = talker.received.findLast((each) => typeOf(each) === MessageType.Invocation)!;
    const questionId = (
      Array.isArray(question) ?
        (question as readonly unknown[])[2]
      : (question as { invocationId: string }).invocationId) as string;
    talker.send({ type: 3, invocationId: questionId, result: 'yes' }, [3, {}, questionId, 3, 'yes']);
    expect(await asked).toBe('yes');
    const givenUp = new AbortController();
    const unanswered = hub.clients.connection(id).with({ signal: givenUp.signal }).invoke.confirm('Still there?');
    await expect.poll(() => talker.count(MessageType.Invocation)).toBe(3);
    givenUp.abort();
    await expect(unanswered).rejects.toMatchObject({ code: 'cancelled' });

    // A ping gets no answer, and silence of the server is ended by a ping.
    talker.ping();
    talker.call('after', 'echo', 1);
    await expect.poll(() => talker.count(MessageType.Completion)).toBe(completions + 1);
    expect(talker.count(MessageType.Ping)).toBe(0);
    await clock.advance(16_000);
    await expect.poll(() => talker.count(MessageType.Ping)).toBe(1);

    // Each kind of close message.
    await hub.disconnect({ connection: id }, { code: 'enough', message: 'Enough.', allowReconnect: true });
    await talker.closed;
    const rude = await world.client();
    rude.send({ type: 1 }, [1]);
    const wordy = await world.client();
    wordy.send({ type: 1, target: 'echo', arguments: ['x'.repeat(90)] }, [1, {}, null, 'echo', ['x'.repeat(90)], []]);
    const silent = await world.client();
    silent.ping();
    silent.call('there', 'echo', 1);
    await expect.poll(() => silent.count(MessageType.Completion)).toBe(1);
    await clock.advance(31_000);
    const last = await world.client();
    world.refuse();
    const refused = await world.client();
    await Promise.all([rude, wordy, silent, refused].map((client) => client.closed));
    await world.server.close();
    await last.closed;

    for (const client of [talker, rude, wordy, silent, refused, last]) expect(client.count(MessageType.Close)).toBe(1);
    expect(world.received().map(extras).filter(Boolean)).toEqual([]);
    expect(new Set(world.handshakes())).toEqual(new Set(['{}\u001e']));
    const driven = new Set(world.received().map(typeOf));
    expect(driven).toEqual(new Set(Object.entries(ASP_NET_CORE).flatMap(([type, plain]) => (plain ? [Number(type)] : []))));
  });
});
