import { createHubConnection, defineHub } from '@hubline/client';
import { createHubServer, hubError, memoryBackplane, unauthorized, type HubServerOptions } from '@hubline/server';
import { messagePack as serverMessagePack } from '@hubline/server/messagepack';
import { messagePack } from '@hubline/client/messagepack';
import { jsonCodec } from '@hubline/protocol';
import { until } from '@hubline/testing';
import { connectInMemory, drops, FakeClock, InMemoryLink, refuses, stallsAfter, works } from '@hubline/testing/in-memory';
import { afterEach, describe, expect, it, vi } from 'vitest';

interface ChatHub {
  say(text: string): Promise<number>;
  ask(question: string): Promise<readonly boolean[]>;
  count(to: number): AsyncIterable<number>;
  sum(numbers: AsyncIterable<number>): Promise<number>;
  fail(): Promise<void>;
  wait(): Promise<void>;
}
interface ChatReceiver {
  said(from: string, text: string): void;
  confirm(question: string): Promise<boolean>;
}
const chat = defineHub<ChatHub, ChatReceiver, { readonly role: string }>('chat', { count: 'stream', sum: { uploads: 1 } });

function serve(options: HubServerOptions = {}, clock?: FakeClock) {
  const server = createHubServer(options, clock);
  const hub = server.hub(chat, {
    path: '/hubs/chat',
    attributes: { role: 'indexed' },
    authenticate: ({ token, url }) => {
      if (token === 'bad') throw unauthorized();
      return { userId: token ?? url.searchParams.get('name') ?? 'nobody' };
    },
    connected: ({ groups }) => groups.add('lobby'),
    methods: {
      async say({ clients, userId }, text) {
        await clients.group('lobby').send.said(userId ?? '', text);
        return text.length;
      },
      async ask({ clients }, question) {
        const { items } = await clients.all.invokeAll.confirm(question);
        return items.map((outcome) => outcome.status === 'fulfilled' && outcome.value);
      },
      async *count(_ctx, to) {
        for (let i = 1; i <= to; i++) yield i;
      },
      async sum(_ctx, numbers) {
        let sum = 0;
        for await (const each of numbers) sum += each;
        return sum;
      },
      async fail() {
        throw hubError('no');
      },
      wait: ({ signal }) => new Promise((resolve) => signal.addEventListener('abort', () => resolve())),
    },
  });
  return { server, hub };
}

afterEach(() => void vi.useRealTimers());

describe('connectInMemory', () => {
  it('connectInMemory connects the real client to the real server: calls, events, results, streams, errors', async () => {
    const { server, hub } = serve();
    await using _server = server;
    const said: string[] = [];
    await using ann = await connectInMemory(server, chat, {
      user: 'ann',
      attributes: { role: 'admin' },
      receiver: { said: (from, text) => void said.push(`${from}: ${text}`), confirm: async (question) => question.endsWith('?') },
    });
    expect(ann.state.name === 'connected' && ann.state.connectionId).toMatch(/./);
    expect(await ann.invoke.say('hello')).toBe(5);
    await until(() => said.length === 1);
    expect(said).toEqual(['ann: hello']);
    expect(await ann.invoke.ask('Shall we?')).toEqual([true]);
    const counted: number[] = [];
    for await (const each of ann.stream.count(3)) counted.push(each);
    expect(counted).toEqual([1, 2, 3]);
    expect(await ann.invoke.sum((async function* () { yield* [1, 2, 3]; })())).toBe(6); // prettier-ignore
    await expect(ann.invoke.fail()).rejects.toMatchObject({ code: 'hub_error', message: 'no' });
    expect(await hub.presence.count({ where: { role: 'admin' } })).toMatchObject({ value: 1, complete: true });
    await ann.stop();
    await until(async () => (await hub.presence.count()).value === 0);
  });

  it('connectInMemory runs authenticate unless the test names the user', async () => {
    const { server, hub } = serve();
    await using _server = server;
    await using _token = await connectInMemory(server, chat, { accessToken: () => 'ben' });
    await using _query = await connectInMemory(server, chat, { query: { name: 'eva' } });
    await using _user = await connectInMemory(server, chat, { user: 'ann', accessToken: () => 'bad' });
    expect((await hub.presence.users()).items.map(({ userId }) => userId).sort()).toEqual(['ann', 'ben', 'eva']);
    await expect(connectInMemory(server, chat, { accessToken: () => 'bad' })).rejects.toMatchObject({ code: 'unauthorized' });
    await expect(connectInMemory(server, chat, { user: 'ann', attributes: { shoe: '42' } })).rejects.toMatchObject({
      code: 'internal',
    });
    await expect(connectInMemory(server, defineHub('none'))).rejects.toThrow('The server accepts no clients for a hub named none.');
  });

  it('connectInMemory connects without negotiation, and with MessagePack', async () => {
    const { server } = serve({ protocols: [jsonCodec, serverMessagePack()] });
    await using _server = server;
    await using direct = await connectInMemory(server, chat, { user: 'ann', skipNegotiation: true });
    expect(await direct.invoke.say('hi')).toBe(2);
    await using packed = await connectInMemory(server, chat, { user: 'ben', protocol: messagePack() });
    expect(await packed.invoke.say('hey')).toBe(3);
  });

  it('clients of two servers with one memory backplane reach each other', async () => {
    const backplane = memoryBackplane();
    const [one, two] = [serve({ backplane, nodeId: 'node-1' }), serve({ backplane, nodeId: 'node-2' })];
    await using _one = one.server;
    await using _two = two.server;
    const said: string[] = [];
    await using _ann = await connectInMemory(one.server, chat, { user: 'ann', receiver: { said: (_from, text) => void said.push(text) } });
    await using ben = await connectInMemory(two.server, chat, { user: 'ben' });
    await ben.invoke.say('hello');
    await until(() => said.length === 1);
  });

  it('a server that closes ends its clients in memory with its reason', async () => {
    const { server } = serve();
    const ann = await connectInMemory(server, chat, { user: 'ann', reconnect: false });
    const closed = new Promise((resolve) => ann.once('closed', resolve));
    await server.close();
    expect(await closed).toMatchObject({ code: 'shutdown' });
  });

  it('a client in memory works with the fake timers of Vitest', async () => {
    vi.useFakeTimers();
    const { server } = serve();
    const connecting = connectInMemory(server, chat, { user: 'ann', callTimeoutMs: 1000 });
    await vi.advanceTimersByTimeAsync(10);
    const ann = await connecting;
    const call = ann.invoke.wait();
    const outcome = expect(call).rejects.toMatchObject({ code: 'call_timeout' });
    await vi.advanceTimersByTimeAsync(1000);
    await outcome;
    const closing = Promise.all([ann.stop(), server.close()]);
    await vi.advanceTimersByTimeAsync(100);
    await closing;
  });
});

describe('behaviours', () => {
  it('a client reconnects after connections that are refused and lost', async () => {
    const clock = new FakeClock();
    const { server, hub } = serve({}, clock);
    await using _server = server;
    const states: string[] = [];
    const link = new InMemoryLink(server, { user: 'ann', behaviours: [drops(), refuses(), refuses(500), works()] });
    await using ann = createHubConnection(chat, 'http://test/hubs/chat', { ...link.options, reconnect: { initial: true }, clock });
    ann.on('state', ({ name }) => void states.push(name));
    await ann.start();
    while (link.attempts < 4 && clock.now() < Date.UTC(2026, 0, 1) + 600_000) await clock.advance(1000);
    expect(states).toEqual(['connecting', 'connected', 'reconnecting', 'reconnecting', 'reconnecting', 'connected']);
    expect(link.attempts).toBe(4);
    expect((await hub.presence.count()).value).toBe(1);
  });

  it('a client that is refused with 401 does not try again', async () => {
    const { server } = serve();
    await using _server = server;
    await expect(connectInMemory(server, chat, { user: 'ann', behaviours: [refuses(401)] })).rejects.toMatchObject({
      code: 'unauthorized',
    });
  });

  it('a client on a stalled link times out and reconnects, and the server ends the silent one', async () => {
    const clock = new FakeClock();
    const { server, hub } = serve({}, clock);
    await using _server = server;
    const link = new InMemoryLink(server, { user: 'ann', behaviours: [stallsAfter(), works()] });
    await using ann = createHubConnection(chat, 'http://test/hubs/chat', { ...link.options, clock });
    const causes: unknown[] = [];
    ann.on('reconnecting', (cause) => void causes.push(cause));
    await ann.start();
    await clock.advance(29_000);
    expect(causes).toEqual([]);
    await clock.advance(2_000);
    expect(causes).toMatchObject([{ code: 'timed_out' }]);
    link.heal();
    await clock.advance(60_000);
    expect(ann.state.name).toBe('connected');
    expect((await hub.presence.count()).value).toBe(1);
  });

  it('drop ends the connection, stall holds messages, and heal passes them', async () => {
    const clock = new FakeClock();
    const { server, hub } = serve({}, clock);
    await using _server = server;
    const said: string[] = [];
    const receiver = { said: (_from: string, text: string) => void said.push(text) };
    await using ann = await connectInMemory(server, chat, { user: 'ann', clock, receiver });
    ann.link.stall();
    await hub.clients.all.send.said('server', 'held');
    await clock.advance(1000);
    expect(said).toEqual([]);
    ann.link.heal();
    await clock.advance(0);
    expect(said).toEqual(['held']);
    ann.link.drop();
    await clock.advance(0);
    expect(ann.state.name).toBe('reconnecting');
    expect((await hub.presence.count()).value).toBe(0);
    await clock.advance(10_000);
    expect(ann.state.name).toBe('connected');
  });
});

describe('FakeClock', () => {
  it('FakeClock runs due timers in order, repeats, and cancels', async () => {
    const clock = new FakeClock(0);
    const ran: string[] = [];
    clock.after(20, () => void ran.push(`b at ${clock.now()}`));
    clock.after(10, () => void ran.push(`a at ${clock.now()}`));
    const stop = clock.every(15, () => void ran.push(`every at ${clock.elapsed()}`));
    clock.after(30, () => void ran.push('never'))();
    await clock.advance(31);
    stop();
    await clock.advance(100);
    expect(ran).toEqual(['a at 10', 'every at 15', 'b at 20', 'every at 30']);
    expect(clock.now()).toBe(131);
  });
});
