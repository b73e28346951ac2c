import { once } from 'node:events';
import { createServer } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { createHubServer, type HubServer } from '@hubline/server';
import { defineHub } from '@hubline/protocol';
import { expect, it } from 'vitest';
import { encodeFrame, Opcode } from './fuzz/wire.ts';
import { HANDSHAKE, record } from './http-client.ts';
import { rawRequest, requestLines, upgradeLines } from './raw-client.ts';
import { TestClock } from './test-clock.ts';

interface Calls {
  join(): Promise<void>;
  wait(): Promise<void>;
}
const contract = defineHub<Calls>('aborts');
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Starts a server with room for one connection and one authentication. Its hooks are asynchronous and can be held by the test. */
async function start() {
  const clock = new TestClock();
  const server: HubServer = createHubServer({ limits: { maxConnections: 1, maxAuthentications: 1 } }, clock);
  const errors: unknown[] = [];
  server.on('error', (...error) => errors.push(error));
  const gates: (() => void)[] = [];
  const seen: string[] = [];
  let held = 'nothing';
  const pass = async (step: string): Promise<void> => {
    await turn();
    seen.push(step);
    if (held === step) await new Promise<void>((resolve) => gates.push(resolve));
  };
  const hub = server.hub(contract, {
    path: '/hub',
    authenticate: async () => {
      await pass('authenticate');
      return { userId: 'alice' };
    },
    connected: () => pass('connected'),
    disconnected: () => pass('disconnected'),
    methods: {
      join: async (ctx) => {
        await ctx.groups.add('room');
        seen.push('joined');
      },
      wait: () => pass('waiting'),
    },
  });
  const host = createServer();
  server.attach(host);
  await once(host.listen(0, '127.0.0.1'), 'listening');
  const { port } = host.address() as AddressInfo;
  const sockets: Socket[] = [];
  return {
    server,
    hub,
    clock,
    errors,
    port,
    url: `http://127.0.0.1:${port}/hub`,
    /** Writes to a new socket. */
    async write(...texts: readonly (string | Uint8Array)[]): Promise<Socket> {
      const socket = connect(port, '127.0.0.1');
      sockets.push(socket);
      socket.on('error', () => undefined);
      await once(socket, 'connect');
      for (const text of texts) socket.write(text);
      return socket;
    },
    hold: (step: string) => (held = step),
    /** Waits until a hook or method has started this many times. */
    until: (step: string, times = 1) => expect.poll(() => seen.filter((each) => each === step).length).toBeGreaterThanOrEqual(times),
    abort: () => sockets.forEach((socket) => socket.resetAndDestroy()),
    release(): void {
      held = 'nothing';
      for (const open of gates.splice(0)) open();
    },
    sockets: () => new Promise<number>((resolve) => host.getConnections((_error, count) => resolve(count))),
    async [Symbol.asyncDispose]() {
      host.closeAllConnections();
      host.close();
      await server.close();
    },
  };
}
type World = Awaited<ReturnType<typeof start>>;

const NEGOTIATE = requestLines('POST', '/hub/negotiate?negotiateVersion=1', { 'content-length': '0' });
const post = (target: string, body: string): string => requestLines('POST', target, { 'content-length': String(body.length) }) + body;
const events = (target: string): string => requestLines('GET', target, { accept: 'text/event-stream' });
const poll = (target: string): string => requestLines('GET', target, {});
const half = (text: string): string => text.slice(0, -4);
const call = (method: string): string => record({ type: 1, target: method, arguments: [] });
const frame = (text: string): Buffer => encodeFrame(Opcode.text, Buffer.from(text));
const answered = async (socket: Promise<Socket>): Promise<Socket> => {
  const opened = await socket;
  await once(opened, 'data');
  return opened;
};
async function negotiated(world: World): Promise<string> {
  const answer = await rawRequest(world.port, NEGOTIATE.replace('\r\n', '\r\nconnection: close\r\n'));
  const { connectionToken } = JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1)) as {
    readonly connectionToken: string;
  };
  return `/hub?id=${connectionToken}`;
}

/** An open transport of this test, which sends texts of the hub protocol. */
interface OpenTransport {
  readonly send: (text: string) => Promise<unknown>;
  readonly sendHalf: (text: string) => Promise<unknown>;
}
const TRANSPORTS: Readonly<
  Record<string, { readonly opening: (target: string) => string; readonly open: (world: World, target: string) => Promise<OpenTransport> }>
> = {
  WebSockets: {
    opening: (target) => upgradeLines(target),
    open: async (world, target) => {
      const socket = await answered(world.write(upgradeLines(target)));
      return { send: async (text) => socket.write(frame(text)), sendHalf: async (text) => socket.write(frame(text).subarray(0, -4)) };
    },
  },
  'server-sent events': {
    opening: events,
    open: async (world, target) => {
      await answered(world.write(events(target)));
      return { send: (text) => world.write(post(target, text)), sendHalf: (text) => world.write(half(post(target, text))) };
    },
  },
  'long polling': {
    opening: poll,
    open: async (world, target) => {
      await answered(world.write(poll(target)));
      return {
        send: async (text) => {
          await world.write(post(target, text));
          await world.write(poll(target));
        },
        sendHalf: (text) => world.write(half(post(target, text))),
      };
    },
  },
};

/** The steps that a client has done when it aborts. */
const STEPS: readonly (readonly [string, (world: World, transport: (typeof TRANSPORTS)[string]) => Promise<unknown>])[] = [
  ['within the negotiation', (world) => world.write(half(NEGOTIATE))],
  [
    'while its negotiation is authenticated',
    async (world) => {
      world.hold('authenticate');
      await world.write(NEGOTIATE);
      await world.until('authenticate');
    },
  ],
  ['after the negotiation', (world) => negotiated(world)],
  ['within the request that opens', async (world, { opening }) => world.write(half(opening(await negotiated(world))))],
  [
    'while its opening is authenticated',
    async (world, { opening }) => {
      const target = await negotiated(world);
      world.hold('authenticate');
      await world.write(opening(target));
      await world.until('authenticate', 2);
    },
  ],
  ['before the handshake', async (world, { open }) => open(world, await negotiated(world))],
  ['within the handshake', async (world, { open }) => (await open(world, await negotiated(world))).sendHalf(HANDSHAKE)],
  [
    'while `connected` runs',
    async (world, { open }) => {
      world.hold('connected');
      await (await open(world, await negotiated(world))).send(HANDSHAKE);
      await world.until('connected');
    },
  ],
  ['after the handshake', async (world, transport) => joined(world, transport)],
  ['within a message', async (world, transport) => (await joined(world, transport)).sendHalf(call('wait'))],
  [
    'while a call runs',
    async (world, transport) => {
      const open = await joined(world, transport);
      world.hold('waiting');
      await open.send(call('wait'));
      await world.until('waiting');
    },
  ],
  [
    'while the server closes the connection',
    async (world, transport) => {
      await joined(world, transport);
      world.hold('disconnected');
      await world.hub.disconnect({ all: true });
      await world.until('disconnected');
    },
  ],
];

async function joined(world: World, { open }: (typeof TRANSPORTS)[string]): Promise<OpenTransport> {
  const opened = await open(world, await negotiated(world));
  await opened.send(HANDSHAKE);
  await world.until('connected');
  await opened.send(call('join'));
  await world.until('joined');
  return opened;
}

const cases = Object.keys(TRANSPORTS).flatMap((transport) =>
  STEPS.flatMap(([step, run]) => ['before', 'after'].map((order) => ({ transport, step, order, run }))),
);

it.each(cases)('the server releases everything of a client over $transport that aborts $step, $order the hooks go on', async (each) => {
  await using world = await start();
  await each.run(world, TRANSPORTS[each.transport]!);
  if (each.order === 'after') world.release();
  world.abort();
  // The server does not read the socket of an upgrade before it is authenticated.
  const isUnread = each.transport === 'WebSockets' && each.step === 'while its opening is authenticated';
  if (each.order === 'before' && !isUnread) await expect.poll(world.sockets).toBe(0);
  world.release();
  await turn();
  const { server, hub, clock } = world;
  await expect
    .poll(async () => {
      await clock.advance(200_000); // longer than each time limit
      const [all, room] = [await hub.presence.count(), await hub.presence.count({ group: 'room' })];
      const online = await hub.presence.isOnline('alice');
      return [server.health().connections, all.value, room.value, online, clock.size];
    })
    .toEqual([0, 0, 0, false, 0]);
  expect((await fetch(`${world.url}/negotiate`, { method: 'POST' })).status).toBe(200); // both are free again
  await expect.poll(world.sockets).toBeLessThanOrEqual(1); // the socket of this fetch
  expect(world.errors).toEqual([]);
});

it('the server releases everything of a client without negotiation whose WebSocket is refused after authentication', async () => {
  await using world = await start();
  const answer = await rawRequest(world.port, upgradeLines('/hub', { 'sec-websocket-version': '12' }));
  expect(answer).toMatch(/^HTTP\/1\.1 4\d\d /);
  await world.until('authenticate');
  expect((await fetch(`${world.url}/negotiate`, { method: 'POST' })).status).toBe(200);
});
