import { createHubConnection, isHublineError, type HubConnection } from '@hubline/client';
import { messagePack as clientMessagePack } from '@hubline/client/messagepack';
import { defineHub } from '@hubline/protocol';
import { createHubServer, hubError, jsonCodec, memoryBackplane, type Hub, type HubServerOptions, type Loss } from '@hubline/server';
import { messagePack } from '@hubline/server/messagepack';
import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import { HttpClient } from './http-client.ts';

interface Mirror {
  echo(value: unknown): Promise<unknown>;
  kinds(value: unknown): Promise<readonly string[]>;
  nothing(): Promise<void>;
  fail(): Promise<void>;
  unwritable(): Promise<unknown>;
  chunks(count: number): AsyncIterable<Uint8Array>;
  collect(chunks: AsyncIterable<Uint8Array>): Promise<Uint8Array>;
  askMe(value: unknown): Promise<unknown>;
}
interface Receiver {
  said(value: unknown): void;
  reflect(value: unknown): Promise<unknown>;
}
const mirror = defineHub<Mirror, Receiver>('mirror', { chunks: 'stream', collect: { uploads: 1 } });

const kindOf = (value: unknown): string => (typeof value === 'object' && value !== null ? value.constructor.name : typeof value);
const RICH = [Uint8Array.of(1, 2, 3), new Date('2002-04-01T10:20:15.123Z'), 2n ** 60n, -(2n ** 60n), 2 ** 40, null, { text: 'ä' }] as const;
const BOTH = [jsonCodec, messagePack()];
const ROOMY = { limits: { maxMessageBytes: 4 * 1024 * 1024, maxFrameBytes: 8 * 1024 * 1024 } };

interface Node {
  readonly hub: Hub<Receiver, object>;
  readonly url: string;
  readonly losses: Loss[];
}
interface Client {
  readonly connection: HubConnection<Mirror, Receiver>;
  readonly said: unknown[];
}

class World implements AsyncDisposable {
  readonly #backplane = memoryBackplane();
  readonly #opened: AsyncDisposable[] = [];

  async node(nodeId: string, options: HubServerOptions = {}): Promise<Node> {
    const server = createHubServer({ nodeId, backplane: this.#backplane, protocols: BOTH, ...options });
    this.#opened.push(server);
    const hub = server.hub(mirror, {
      path: '/mirror',
      methods: {
        echo: async (_ctx, value) => value,
        kinds: async (_ctx, value) => (value as unknown[]).map(kindOf),
        async nothing() {},
        async fail() {
          throw hubError('Not today.');
        },
        unwritable: async () => new Map(),
        async *chunks(_ctx, count) {
          for (let i = 0; i < count; i++) yield Uint8Array.of(i);
        },
        async collect(_ctx, chunks) {
          const bytes: number[] = [];
          for await (const chunk of chunks) bytes.push(...chunk);
          return Uint8Array.from(bytes);
        },
        askMe: (ctx, value) => ctx.clients.caller.invoke.reflect(value),
      },
    });
    const losses: Loss[] = [];
    server.on('lost', (loss) => losses.push(loss));
    return { hub, url: `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}/mirror`, losses };
  }

  async client(node: Node, protocol: 'json' | 'messagepack'): Promise<Client> {
    const said: unknown[] = [];
    const connection = createHubConnection(mirror, node.url, {
      receiver: { said: (value) => void said.push(value), reflect: async (value) => value },
      ...(protocol === 'messagepack' ? { protocol: clientMessagePack() } : {}),
    });
    this.#opened.push(connection);
    await connection.start();
    return { connection, said };
  }

  /** Closes clients before their servers. */
  async [Symbol.asyncDispose](): Promise<void> {
    for (const each of this.#opened.reverse()) await each[Symbol.asyncDispose]();
  }
}

const notEncodable = expect.objectContaining({ code: 'not_encodable' }) as Error;

describe('MessagePack over WebSockets', () => {
  it('MessagePack over WebSockets carries calls with all values that JSON cannot hold', async () => {
    await using world = new World();
    const { connection } = await world.client(await world.node('a'), 'messagepack');
    expect(await connection.invoke.echo(RICH)).toStrictEqual(RICH);
    expect(await connection.invoke.kinds(RICH)).toEqual(['Uint8Array', 'Date', 'bigint', 'bigint', 'number', 'object', 'Object']);
    expect(await connection.invoke.nothing()).toBeNull();
  });

  it('MessagePack over WebSockets carries streams in both directions and calls to the client', async () => {
    await using world = new World();
    const { connection } = await world.client(await world.node('a'), 'messagepack');
    const items: Uint8Array[] = [];
    for await (const item of connection.stream.chunks(300)) items.push(item);
    expect(items.map(([byte]) => byte)).toEqual(Array.from({ length: 300 }, (_, i) => i % 256));
    async function* upload() {
      for (let i = 0; i < 100; i++) yield Uint8Array.of(i, i);
    }
    expect(await connection.invoke.collect(upload())).toHaveLength(200);
    expect(await connection.invoke.askMe(RICH)).toStrictEqual(RICH);
  });

  it('MessagePack over WebSockets carries a megabyte of bytes', async () => {
    await using world = new World();
    const { connection } = await world.client(await world.node('a', ROOMY), 'messagepack');
    const megabyte = Uint8Array.from({ length: 1024 * 1024 }, (_, i) => i * 7);
    const echoed = (await connection.invoke.echo(megabyte)) as Uint8Array;
    expect(Buffer.compare(echoed, megabyte)).toBe(0);
  });

  it('MessagePack over WebSockets carries errors with their codes, and the connection continues', async () => {
    await using world = new World();
    const { connection } = await world.client(await world.node('a'), 'messagepack');
    const codeOf = (call: Promise<unknown>) => call.then(String, (error: unknown) => (isHublineError(error) ? error.code : String(error)));
    expect(await codeOf(connection.invoke.fail())).toBe('hub_error');
    expect(await codeOf(connection.invoke.unwritable())).toBe('not_encodable');
    expect(await codeOf(connection.call('missing'))).toBe('unknown_method');
    expect(await codeOf(connection.invoke.echo(new Set()))).toBe('not_encodable');
    expect(await connection.invoke.echo('still here')).toBe('still here');
  });

  it('MessagePack over WebSockets is refused unless the server has the protocol', async () => {
    await using world = new World();
    const node = await world.node('a', { protocols: [jsonCodec] });
    await expect(world.client(node, 'messagepack')).rejects.toThrow("The protocol 'messagepack' is not supported.");
    expect(() => createHubServer({ protocols: [] })).toThrow(expect.objectContaining({ code: 'invalid_option' }));
    expect(() => createHubServer({ protocols: [messagePack(), messagePack()] })).toThrow(
      expect.objectContaining({ code: 'invalid_option' }),
    );
  });
});

it('MessagePack is refused over server-sent events, which carry only text', async () => {
  await using world = new World();
  const client = await HttpClient.negotiate((await world.node('a')).url);
  await using events = await client.events();
  await client.post('{"protocol":"messagepack","version":1}\u001e');
  const text = await events.until('\u001e');
  expect(text).toContain(
    `{"error":"Cannot use the 'messagepack' protocol on the current transport. The transport does not support 'Binary' transfer format."}`,
  );
});

describe('clients of both protocols on two nodes', () => {
  async function four(world: World) {
    const nodes = { a: await world.node('a'), b: await world.node('b') };
    const [jsonA, packA, jsonB, packB] = await Promise.all([
      world.client(nodes.a, 'json'),
      world.client(nodes.a, 'messagepack'),
      world.client(nodes.b, 'json'),
      world.client(nodes.b, 'messagepack'),
    ]);
    return { ...nodes, jsonA, packA, jsonB, packB, everybody: [jsonA, packA, jsonB, packB] };
  }
  const idOf = ({ connection: { state } }: Client): string => (state.name === 'connected' && state.connectionId) || expect.fail('no id');

  it('clients of both protocols on two nodes all get a message that both protocols can hold', async () => {
    await using world = new World();
    const { a, b, everybody } = await four(world);
    await a.hub.clients.all.send.said({ text: '✓', at: new Date(0) });
    await until(() => everybody.every(({ said }) => said.length === 1));
    const [inJson, inMessagePack] = [
      { text: '✓', at: '1970-01-01T00:00:00.000Z' },
      { text: '✓', at: new Date(0) },
    ];
    expect(everybody.map(({ said }) => said)).toEqual([[inJson], [inMessagePack], [inJson], [inMessagePack]]);
    expect([...a.losses, ...b.losses]).toEqual([]);
  });

  it('clients of both protocols on two nodes get a message if their protocol can hold it, and each node reports it as lost for the others', async () => {
    await using world = new World();
    const { a, b, everybody, jsonA, packA, jsonB } = await four(world);
    const sent = a.hub.clients.all.send.said(Uint8Array.of(1));
    expect(await sent).toBeUndefined();
    await sent.confirmed;
    await a.hub.clients.all.send.said('end');
    await until(() => everybody.every(({ said }) => said.includes('end')));
    expect(everybody.map(({ said }) => said)).toEqual([['end'], [Uint8Array.of(1), 'end'], ['end'], [Uint8Array.of(1), 'end']]);
    const loss = { hub: 'mirror', method: 'said', error: notEncodable };
    expect([a.losses, b.losses]).toEqual([[loss], [loss]]);

    await expect(a.hub.clients.connection(idOf(jsonA)).send.said(Uint8Array.of(1)).confirmed).rejects.toEqual(notEncodable);
    await a.hub.clients.connection(idOf(packA)).send.said(Uint8Array.of(2));
    await a.hub.clients.connection(idOf(jsonB)).send.said(Uint8Array.of(2));
    await until(() => b.losses.length === 2);
    await until(() => packA.said.length === 3);
    expect(a.losses).toHaveLength(2);
    await expect(Promise.resolve(a.hub.clients.all.send.said(new Map()))).rejects.toEqual(notEncodable);
  });

  it('clients of both protocols on two nodes return results that their protocol can hold', async () => {
    await using world = new World();
    const { a, jsonA, packA, jsonB, packB } = await four(world);
    const valuesOf = async (value: unknown) => {
      const { items: outcomes } = await a.hub.clients.all.invokeAll.reflect(value);
      return new Map(outcomes.map((outcome) => [outcome.connectionId, outcome.status === 'fulfilled' ? outcome.value : outcome.code]));
    };
    const rich = await valuesOf(RICH);
    expect([packA, packB].map((client) => rich.get(idOf(client)))).toStrictEqual([RICH, RICH]);
    expect([jsonA, jsonB].map((client) => rich.get(idOf(client)))).toEqual(['not_encodable', 'not_encodable']);
    expect(new Set((await valuesOf('plain')).values())).toEqual(new Set(['plain']));
    expect(await a.hub.clients.connection(idOf(packB)).invoke.reflect(RICH)).toStrictEqual(RICH);
    await expect(a.hub.clients.connection(idOf(jsonB)).invoke.reflect(RICH)).rejects.toEqual(notEncodable);
    await expect(a.hub.clients.connection(idOf(jsonA)).invoke.reflect(RICH)).rejects.toEqual(notEncodable);
    expect(await a.hub.clients.connection(idOf(jsonB)).invoke.reflect(null)).toBeNull();
    expect(await a.hub.clients.all.invokeOne.reflect(Uint8Array.of(5))).toEqual(Uint8Array.of(5));
  });
});

describe('nodes with different protocols', () => {
  it("nodes with different protocols convert each other's messages", async () => {
    await using world = new World();
    const a = await world.node('a', { protocols: [jsonCodec] });
    const b = await world.node('b');
    const json = await world.client(a, 'json');
    const pack = await world.client(b, 'messagepack');
    a.hub.clients.all.send.said({ from: 'a' });
    b.hub.clients.all.send.said({ from: 'b' });
    await until(() => [json, pack].every(({ said }) => said.length === 2));
    const { items: outcomes } = await a.hub.clients.all.invokeAll.reflect({ n: 1 });
    expect(outcomes.map((outcome) => outcome.status === 'fulfilled' && outcome.value)).toEqual([{ n: 1 }, { n: 1 }]);
    expect([...a.losses, ...b.losses]).toEqual([]);
  });

  it('nodes with different protocols report messages that they cannot read, and results that the caller cannot read', async () => {
    await using world = new World();
    const a = await world.node('a', { protocols: [messagePack()] });
    const b = await world.node('b', { protocols: [jsonCodec] });
    const json = await world.client(b, 'json');
    const pack = await world.client(a, 'messagepack');
    await a.hub.clients.all.send.said('to those who speak MessagePack');
    await until(() => pack.said.length === 1 && b.losses.length === 1);
    expect(b.losses).toEqual([{ hub: 'mirror', method: '', error: notEncodable }]);
    expect(json.said).toEqual([]);
    const { items: outcomes } = await a.hub.clients.all.invokeAll.reflect(1);
    expect(outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.code)).sort()).toEqual([1, 'not_encodable']);
  });
});

it('an invokeAll of a node with only JSON gets not_encodable for a result that JSON cannot hold', async () => {
  await using world = new World();
  const a = await world.node('a', { protocols: [jsonCodec] });
  const b = await world.node('b');
  const connection = createHubConnection(mirror, b.url, {
    protocol: clientMessagePack(),
    receiver: { said: () => undefined, reflect: async () => Uint8Array.of(1) },
  });
  await using _closing = connection;
  await connection.start();
  const [outcome] = (await a.hub.clients.all.invokeAll.reflect(1)).items;
  expect(outcome).toMatchObject({ status: 'rejected', code: 'not_encodable' });
});
