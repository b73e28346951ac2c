import { forbidden } from '@hubline/server';
import { expect, it, vi } from 'vitest';
import { start } from './hub-with-hooks.ts';
import { RawClient } from './raw-client.ts';

it('close disconnects clients, lets them reconnect elsewhere, and waits for the hook `disconnected`', async () => {
  let saved = false;
  await using world = await start({
    async disconnected(_ctx, reason) {
      await new Promise((resolve) => setImmediate(() => setImmediate(resolve)));
      saved = reason.code === 'shutdown';
    },
  });
  const client = await RawClient.open(world.port);
  await world.server.close();
  expect(saved).toBe(true);
  expect(client.messages).toEqual([{ type: 7, allowReconnect: true, code: 'shutdown' }]);
  expect(await client.closed).toBe(1000);
});

it('the hook `connected` may call the client', async () => {
  const answers: boolean[] = [];
  await using world = await start({ connected: async (ctx) => void answers.push(await ctx.clients.caller.invoke.confirm('Ready?')) });
  await using client = await RawClient.open(world.port);
  client.send({ type: 1, invocationId: '1', target: 'echo', arguments: ['after'] });
  const asked = await client.until(() => client.messages.find(({ type }) => type === 1));
  client.send({ type: 3, invocationId: asked.invocationId, result: true });
  expect((await client.completion('1')).result).toBe('after');
  await vi.waitFor(() => expect(answers).toEqual([true]));
});

it.each([
  'left',
  'left: leaving',
  'left: closed',
  'left: no code',
  'connection_lost',
  'disconnected',
  'invalid_message',
  'message_too_large',
])('the hook `disconnected` gets the reason why a connection ended: %s', async (why) => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  const acts: Record<string, () => void> = {
    left: () => client.send({ type: 7 }),
    'left: leaving': () => client.send({ type: 7, error: 'I have had enough.' }),
    'left: closed': () => client.socket.close(1000),
    'left: no code': () => client.socket.close(),
    connection_lost: () => client.reset(),
    disconnected: () => void world.hub.disconnect({ all: true }, 'Out!'),
    invalid_message: () => client.send({ type: 1, target: 7 }),
    message_too_large: () => client.send({ type: 1, target: 'x'.repeat(40_000), arguments: [] }),
  };
  acts[why]?.();
  await expect.poll(() => world.ended.length).toBe(1);
  const [{ code, error } = { code: 'none', error: undefined }] = world.ended;
  expect(code).toBe(why.split(':')[0]);
  if (why === 'left: leaving') expect(error?.message).toBe('I have had enough.');
  if (why === 'disconnected') {
    await client.closed;
    expect(client.messages).toEqual([
      { type: 7, error: 'Connection closed with an error. HublineError: Out!', allowReconnect: false, code: 'disconnected' },
    ]);
  }
  if (why === 'invalid_message') {
    expect(await client.closed).toBe(1000);
    expect(client.messages).toEqual([
      {
        type: 7,
        error: 'Connection closed with an error. HublineError: Invalid payload for Invocation message.',
        allowReconnect: false,
        code: 'invalid_message',
      },
    ]);
  }
  if (why.startsWith('left')) expect(await client.closed).toBe(1000);
  // A Close message is answered with one, as by ASP.NET Core.
  if (why === 'left' || why === 'left: leaving') expect(client.messages).toEqual([{ type: 7, allowReconnect: false }]);
});

it('the hook `disconnected` gets the code with which the program ended the connection', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  await world.hub.disconnect({ all: true }, { code: 'replaced' });
  await client.closed;
  const error = 'Connection closed with an error. HublineError: The server has ended the connection.';
  expect(client.messages).toEqual([{ type: 7, error, allowReconnect: false, code: 'disconnected', reason: 'replaced' }]);
  await expect.poll(() => world.ended.length).toBe(1);
  const [reason] = world.ended;
  expect(reason?.code === 'disconnected' && reason.error.details).toEqual({ reason: 'replaced' });
});

it('the hook `disconnected` runs without a call and without a hook `connected`', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port);
  client.socket.terminate();
  await expect.poll(() => world.ended).toMatchObject([{ code: 'connection_lost' }]);
});

it('the hook `disconnected` does not run for a connection without a handshake', async () => {
  await using world = await start();
  await using client = await RawClient.open(world.port, { handshake: null });
  client.reset();
  await client.closed;
  await using other = await RawClient.open(world.port);
  other.reset();
  await expect.poll(() => world.ended.length).toBe(1);
  expect(world.server.health().connections).toBe(0);
});

it('the hook `connected` runs before the first call, and `disconnected` after it', async () => {
  const order: string[] = [];
  let go: () => void = () => undefined;
  await using world = await start({
    async connected() {
      order.push('connected');
      await new Promise<void>((resolve) => (go = resolve));
      order.push('ready');
    },
    disconnected: () => void order.push('disconnected'),
    methods: { echo: async () => void order.push('called'), wait: async () => undefined },
  });
  const client = await RawClient.open(world.port);
  client.send({ type: 1, target: 'echo', arguments: [] });
  await expect.poll(() => order).toEqual(['connected']);
  go();
  await expect.poll(() => order).toEqual(['connected', 'ready', 'called']);
  const other = await RawClient.open(world.port);
  await expect.poll(() => order.length).toBe(4);
  other.reset();
  await other.closed;
  await expect.poll(() => world.server.health().connections).toBe(1);
  go();
  await expect.poll(() => order.slice(3)).toEqual(['connected', 'ready', 'disconnected']);
  await client[Symbol.asyncDispose]();
});

it('an error of the hook `connected` ends the connection and is reported', async () => {
  const error = new Error('secret');
  await using world = await start({ connected: () => Promise.reject(error) });
  await using client = await RawClient.open(world.port);
  expect(await client.closed).toBe(1000);
  expect(client.messages).toEqual([{ type: 7, error: 'Connection closed with an error.', allowReconnect: true, code: 'internal' }]);
  await expect.poll(() => world.ended).toEqual([{ code: 'internal', error }]);
  expect(world.errors).toEqual([['connected', error]]);
});

it('an error for the client from the hook `connected` refuses the client for good', async () => {
  await using world = await start({ connected: () => Promise.reject(forbidden('You are banned.')) });
  await using client = await RawClient.open(world.port);
  await client.closed;
  expect(client.messages).toMatchObject([{ type: 7, allowReconnect: false, code: 'forbidden' }]);
  await expect.poll(() => world.ended).toMatchObject([{ code: 'forbidden', error: { message: 'You are banned.' } }]);
});

it("a client that does not announce Hubline gets ASP.NET Core's close message when the hook `connected` fails", async () => {
  await using world = await start({ connected: () => Promise.reject(new Error('secret')) });
  await using client = await RawClient.open(world.port, { handshake: { protocol: 'json', version: 1 } });
  await client.closed;
  expect(client.messages).toEqual([{ type: 7, error: 'Connection closed with an error.' }]); // no allowReconnect: final
});

it('detailedErrors adds the error of the hook `connected` to the close message', async () => {
  await using world = await start({ connected: () => Promise.reject(new TypeError('secret')) }, { detailedErrors: true });
  await using client = await RawClient.open(world.port);
  await client.closed;
  expect(client.messages).toMatchObject([{ error: 'Connection closed with an error. TypeError: secret' }]);
});

it('a client that closes right behind its handshake runs no hook', async () => {
  const seen: string[] = [];
  await using world = await start({ connected: () => void seen.push('connected'), disconnected: () => void seen.push('disconnected') });
  await using client = await RawClient.open(world.port, { handshake: null });
  client.send({ protocol: 'json', version: 1 }, { type: 7 });
  await client.closed;
  await expect.poll(() => world.server.health().connections).toBe(0);
  expect(seen).toEqual([]);
});
