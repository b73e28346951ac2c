import { defineHub } from '@hubline/protocol';
import { createHubServer, memoryBackplane, type HubServerOptions } from '@hubline/server';
import type { Backplane } from '@hubline/server/backplane';
import { type Link } from '@hubline/server/backplane';
import { expect, it } from 'vitest';
import { RawClient } from './raw-client.ts';
import { TestClock } from './test-clock.ts';

interface Echo {
  echo(value: unknown): Promise<unknown>;
}
interface Receiver {
  said(text: string): void;
}
const contract = defineHub<Echo, Receiver>('echo');
const END = '\u001e';
const SHAKE = `{"protocol":"json","version":1}${END}`;

async function start(options: HubServerOptions = {}, clock?: TestClock, userId?: string) {
  const server = createHubServer(options, clock);
  const hub = server.hub(contract, {
    path: '/hub',
    authenticate: () => (userId ? { userId } : {}),
    methods: { echo: async (_ctx, value) => value },
  });
  const port = await server.listen(0, '127.0.0.1');
  return { server, hub, port, openSocket: () => RawClient.open(port, { handshake: null }), [Symbol.asyncDispose]: () => server.close() };
}

const echo = (invocationId: string, value: unknown) => ({ type: 1, invocationId, target: 'echo', arguments: [value] });

it.each([
  ['{"protocol":"json","version":1}', '{}'],
  ['{"protocol":"JSON","version":1}', '{}'],
  ['{"protocol":"json","version":2}', '{}'],
  ['{"version":1,"minorVersion":0,"protocol":"json"}', '{}'],
  ['{"protocol":"json","version":1,"hubline":1}', '{"hubline":1,"maxMessageBytes":32768,"connectionId":"ID","node":"n1"}'],
  ['{"protocol":"json","version":1,"hubline":7}', '{"hubline":1,"maxMessageBytes":32768,"connectionId":"ID","node":"n1"}'],
  ['{"protocol":"json","version":1,"hubline":"1"}', '{}'],
])('the server answers the handshake %s with %s', async (request, answer) => {
  await using world = await start({ nodeId: 'n1' });
  await using client = await world.openSocket();
  client.socket.send(request + END);
  await client.until(() => client.frames.length > 0);
  const { items } = await world.hub.presence.connections();
  expect(client.frames).toEqual([answer.replace('ID', items[0]!.connectionId) + END]);
  expect((await client.call('echo', 1)).result).toBe(1);
});

it.each([
  ['{"protocol":"xml","version":1}', "The protocol 'xml' is not supported."],
  ['{"protocol":"__proto__","version":1}', "The protocol '__proto__' is not supported."],
  ['{"protocol":"json","version":3}', "The server does not support version 3 of the 'json' protocol."],
  ['{"protocol":"json","version":0}', "The server does not support version 0 of the 'json' protocol."],
  ['{"protocol":"json"}', 'An unexpected error occurred during connection handshake.'],
  ['{"protocol":7,"version":1}', 'An unexpected error occurred during connection handshake.'],
  ['{"type":6}', 'An unexpected error occurred during connection handshake.'],
  ['{"type":1,"target":"echo","arguments":[]}', 'An unexpected error occurred during connection handshake.'],
  ['[]', 'An unexpected error occurred during connection handshake.'],
  ['null', 'An unexpected error occurred during connection handshake.'],
  ['', 'An unexpected error occurred during connection handshake.'],
  ['GET / HTTP/1.1', 'An unexpected error occurred during connection handshake.'],
  ['{', 'An unexpected error occurred during connection handshake.'],
  [`{"protocol":"${'x'.repeat(5000)}","version":1}`, 'Handshake was canceled.'],
])('the server refuses the handshake %.60s', async (request, error) => {
  await using world = await start();
  await using client = await world.openSocket();
  client.socket.send(request + END);
  expect(await client.closed).toBe(1000);
  expect(client.records).toEqual([{ error }]);
});

it('the server refuses a long handshake before its end', async () => {
  await using world = await start();
  await using client = await world.openSocket();
  client.socket.send('x'.repeat(5000));
  await client.closed;
  expect(client.records).toEqual([{ error: 'Handshake was canceled.' }]);
});

it('the server cancels a handshake after handshakeMs', async () => {
  const clock = new TestClock();
  await using world = await start({ timeouts: { handshakeMs: 6000 } }, clock);
  await using client = await world.openSocket();
  await clock.advance(5000);
  expect(client.frames).toEqual([]);
  await clock.advance(2000);
  await client.closed;
  expect(client.records).toEqual([{ error: 'Handshake was canceled.' }]);
});

it('the server reads a handshake in pieces, as text or bytes, followed by messages', async () => {
  await using world = await start();
  await using pieces = await world.openSocket();
  for (const piece of [SHAKE.slice(0, 5), SHAKE.slice(5, -1), SHAKE.slice(-1) + JSON.stringify(echo('1', 'é')) + END])
    pieces.socket.send(piece);
  expect(await pieces.completion('1')).toEqual({ type: 3, invocationId: '1', result: 'é' });
  await using bytes = await world.openSocket();
  const all = Buffer.from(SHAKE + JSON.stringify(echo('1', '€')) + END + JSON.stringify(echo('2', 2)) + END);
  for (let at = 0; at < all.length; at += 7) bytes.socket.send(all.subarray(at, at + 7));
  expect((await bytes.completion('1')).result).toBe('€');
  expect((await bytes.completion('2')).result).toBe(2);
  expect(bytes.binary.every((binary) => !binary)).toBe(true);
});

/** A backplane whose directory acknowledges changes when the gate opens. */
function slowBackplane(gate: Promise<void>, changing: (connectionIds: readonly string[]) => void = () => undefined): Backplane {
  const { open } = memoryBackplane();
  return {
    open(...args) {
      const link = open(...args);
      const { directory } = link;
      const changed: typeof directory.changed = async (change) => {
        changing(change.connections);
        const flush = await directory.changed(change);
        await gate;
        return flush;
      };
      const slow = new Proxy(directory, {
        get: (target, key) => {
          if (key === 'changed') return changed;
          const value: unknown = Reflect.get(target, key);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
      return { ...linkOf(link), directory: slow };
    },
  };
}

const linkOf = (link: Link): Link => ({
  bus: link.bus,
  directory: link.directory,
  state: 'up',
  ready: () => link.ready(),
  close: () => link.close(),
});

it('the server answers the handshake after the registration, and then messages of both sides in order', async () => {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const entering: string[] = [];
  await using world = await start({ backplane: slowBackplane(gate, (ids) => entering.push(...ids)) });
  await using client = await world.openSocket();
  client.socket.send(SHAKE + JSON.stringify(echo('1', 1)) + END);
  client.send(echo('2', 2));
  await expect.poll(() => entering.length).toBe(1);
  void world.hub.clients.all.send.said('a');
  void world.hub.clients.all.send.said('b');
  client.send(echo('3', 3));
  expect(client.frames).toEqual([]);
  open();
  await client.completion('3');
  expect(client.records[0]).toEqual({});
  expect(client.messages.filter(({ type, target }) => type === 1 && target === 'said').map((said) => said.arguments)).toEqual([
    ['a'],
    ['b'],
  ]);
  expect(client.messages.filter(({ type }) => type === 3).map(({ result }) => result)).toEqual([1, 2, 3]);
  open();
});

it('the server stops reading a client that sends much during its registration', async () => {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  await using world = await start({ backplane: slowBackplane(gate) });
  await using client = await world.openSocket();
  client.socket.send(SHAKE);
  const message = `{"type":6,"x":"${'x'.repeat(30_000)}"}${END}`;
  for (let i = 0; i < 1000; i++) client.socket.send(message);
  await using neighbour = await world.openSocket();
  for (let i = 0; i < 100; i++) {
    const pong = new Promise((resolve) => neighbour.socket.once('pong', resolve));
    neighbour.socket.ping();
    await pong;
  }
  // The kernel holds a few megabytes at most; the rest stays with the client until the server reads on.
  expect(client.socket.bufferedAmount).toBeGreaterThan(10_000_000);
  open();
  expect((await client.call('echo', 'after')).result).toBe('after');
}, 60_000);

it('the server disconnects a client for which more than maxBufferedBytes wait during its registration', async () => {
  let open: () => void = () => undefined;
  const gate = new Promise<void>((resolve) => (open = resolve));
  const entering: string[] = [];
  const backplane = slowBackplane(gate, (ids) => entering.push(...ids));
  await using world = await start({ backplane, limits: { maxBufferedBytes: 100_000 } });
  await using patient = await world.openSocket();
  patient.socket.send(SHAKE);
  await expect.poll(() => entering.length).toBe(1);
  void world.hub.clients.all.send.said('x'.repeat(150_000)); // one message may be larger than maxBufferedBytes
  await using late = await world.openSocket();
  late.socket.send(SHAKE);
  await expect.poll(() => entering.length).toBe(2);
  const [patientId = '', lateId = ''] = entering;
  void world.hub.clients.connection(lateId).send.said('x'.repeat(150_000));
  void world.hub.clients.connection(lateId).send.said('one too many');
  expect(await late.closed).toBe(1006);
  expect(late.frames).toEqual([]);
  open();
  expect((await patient.call('echo', patientId)).result).toBe(patientId);
  expect(patient.messages[0]).toMatchObject({ target: 'said' });
  expect(world.server.health().connections).toBe(1);
});

it('the server refuses the handshake if the registration fails', async () => {
  const { open } = memoryBackplane();
  const broken: Backplane = {
    open(...args) {
      const link = open(...args);
      const { bus } = link;
      const subscribe: typeof bus.subscribe = (channel, deliver) => {
        if (channel.includes('alice')) throw new Error('no room');
        return bus.subscribe(channel, deliver);
      };
      return { ...linkOf(link), bus: { publish: (channel, payload) => bus.publish(channel, payload), subscribe } };
    },
  };
  await using world = await start({ backplane: broken }, undefined, 'alice');
  await using client = await world.openSocket();
  client.socket.send(SHAKE);
  expect(await client.closed).toBe(1000);
  expect(client.records).toEqual([{ error: 'An unexpected error occurred during connection handshake.' }]);
});
