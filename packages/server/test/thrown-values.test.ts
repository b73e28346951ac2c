import { defineHub } from '@hubline/protocol';
import { createHubServer, hubError, HublineError, type Context, type HubOptions, type HubServerOptions } from '@hubline/server';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { listenAndConnect } from './listen-and-connect.ts';
import { RawClient } from './raw-client.ts';

interface Calls {
  fail(): Promise<unknown>;
  echo(value: string): Promise<string>;
  items(): AsyncIterable<number>;
  ask(): Promise<string>;
}
interface Receiver {
  confirm(question: string): Promise<string>;
}
const contract = defineHub<Calls, Receiver>('thrown', { items: 'stream' });
type Ctx = Context<Receiver, Record<never, never>>;
type Options = Partial<HubOptions<Calls, Receiver, Record<never, never>, Record<never, never>>>;

/** Values that no program should throw, and some do. Each is created anew. */
const ODD: Record<string, () => unknown> = {
  'an object without a prototype': () => Object.create(null) as unknown,
  'an error whose message throws': () =>
    Object.defineProperty(new Error(), 'message', {
      get() {
        throw new Error('no message');
      },
    }),
  'an error whose name is a symbol': () => Object.assign(new Error('x'), { name: Symbol('name') }),
  'an error whose stack throws': () =>
    Object.defineProperty(new Error('x'), 'stack', {
      get() {
        throw new Error('no stack');
      },
    }),
  'an object whose toString throws': () => ({
    toString() {
      throw new Error('no text');
    },
  }),
  'a proxy that refuses everything': () =>
    new Proxy(
      {},
      new Proxy(
        {},
        {
          get() {
            throw new Error('no trap');
          },
        },
      ),
    ),
  'a revoked proxy': () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    return proxy;
  },
  undefined: () => undefined,
  null: () => null,
  'a symbol': () => Symbol('x'),
  'a bigint': () => 5n,
  'a thenable that throws': () => ({
    get then() {
      throw new Error('no then');
    },
  }),
  'a HublineError with circular details': () => {
    const details: { self?: unknown } = {};
    details.self = details;
    return new HublineError('hub_error', 'For you.', details as { method?: string });
  },
  'a HublineError whose details throw': () =>
    new HublineError('forbidden', 'For you.', {
      get method(): string {
        throw new Error('no details');
      },
    }),
  'a HublineError whose message throws': () =>
    Object.defineProperty(new HublineError('forbidden', 'For you.', {}), 'message', {
      get() {
        throw new Error('no message');
      },
    }),
  'a HublineError whose message is no text': () => Object.assign(new HublineError('forbidden', 'For you.', {}), { message: 5 }),
  'a proxy of a HublineError': () =>
    new Proxy(hubError('x'), {
      get() {
        throw new Error('no code');
      },
    }),
};

/** Throws the value from one place in user code. */
type Place = (odd: () => unknown) => Options;
const throwValue = (odd: () => unknown): never => {
  throw odd();
};
const METHODS: Options['methods'] = {
  fail: async () => 'nothing failed',
  echo: async (_ctx, value) => value,
  async *items() {
    yield 1;
  },
  ask: (ctx) => ctx.clients.caller.invoke.confirm('?'),
};
const schema = (validate: () => never) => ({ '~standard': { version: 1 as const, vendor: 'test', validate } });

const IN_CALLS: Record<string, Place> = {
  method: (odd) => ({ methods: { ...METHODS, fail: () => throwValue(odd) } }),
  'asynchronous method': (odd) => ({ methods: { ...METHODS, fail: async () => throwValue(odd) } }),
  'thenable result': (odd) => ({ methods: { ...METHODS, fail: () => ({ then: () => throwValue(odd) }) as unknown as Promise<unknown> } }),
  authorize: (odd) => ({ authorize: { fail: () => throwValue(odd) } }),
  validator: (odd) => ({ args: { fail: schema(() => throwValue(odd)) } }),
  middleware: (odd) => ({ use: [async (_ctx, call, next) => (call.method === 'fail' ? throwValue(odd) : next())] }),
  'middleware that does not await': (odd) => ({
    use: [async (_ctx, _call, next) => (void next(), throwValue(odd))],
    methods: { ...METHODS, fail: async () => throwValue(odd) },
  }),
  'toJSON of a result': (odd) => ({ methods: { ...METHODS, fail: async () => ({ toJSON: () => throwValue(odd) }) } }),
};

async function start(options: Options, serverOptions?: HubServerOptions) {
  const server = createHubServer(serverOptions);
  const hub = server.hub(contract, { path: '/hub', methods: METHODS!, ...options });
  return { ...(await listenAndConnect(server)), server, hub };
}

describe.each(Object.keys(ODD))('a thrown value: %s', (what) => {
  const odd = ODD[what]!;

  it.each(Object.keys(IN_CALLS))('a thrown value from a %s fails the call, and the connection continues', async (place) => {
    await using world = await start(IN_CALLS[place]!(odd));
    const { error, headers } = await world.client.call('fail');
    expect(error).toMatch(/An unexpected error occurred invoking 'fail' on the server\./);
    expect((headers as Record<string, string>)['hubline-code']).toMatch(/^(internal|hub_error|forbidden|not_encodable)$/);
    expect(JSON.stringify(headers)).not.toContain('no details');
    if (place !== 'middleware that does not await') expect((await world.client.call('echo', 'on')).result).toBe('on');
  });

  it('a thrown value from a generator, at any point, fails the stream', async () => {
    const generators: readonly (() => AsyncIterable<number>)[] = [
      () => throwValue(odd),
      async function* () {
        yield 1;
        throwValue(odd);
      },
      () => ({ [Symbol.asyncIterator]: () => throwValue(odd) }),
      () => ({ [Symbol.asyncIterator]: () => ({ next: () => throwValue(odd), return: () => throwValue(odd) }) }),
    ];
    for (const items of generators) {
      await using world = await start({ methods: { ...METHODS, items } });
      world.client.send({ type: 4, invocationId: 's', target: 'items', arguments: [] });
      expect((await world.client.completion('s')).error).toMatch(/^An (unexpected )?error occurred/);
      expect((await world.client.call('echo', 'on')).result).toBe('on');
    }
  });

  it('a thrown value from the hook `connected` ends its connection and no other', async () => {
    await using world = await start({});
    await using server = createHubServer();
    const reported: unknown[] = [];
    server.on('error', (_stage, error) => reported.push(error));
    server.hub(contract, { path: '/hub', connected: () => throwValue(odd), disconnected: () => throwValue(odd), methods: METHODS });
    await using client = await RawClient.open(await server.listen(0, '127.0.0.1'));
    await client.closed;
    expect(client.messages).toMatchObject([{ type: 7 }]);
    await expect.poll(() => reported.length).toBeGreaterThan(0);
    expect((await world.client.call('echo', 'on')).result).toBe('on');
  });

  it('a thrown value from a function that answers requests refuses the request', async () => {
    for (const options of [
      { authenticate: () => throwValue(odd) },
      { authenticate: async () => throwValue(odd) },
      { redirect: () => throwValue(odd) },
      { origins: () => throwValue(odd) },
      { sameIdentity: () => throwValue(odd) },
    ] as Options[]) {
      await using server = createHubServer();
      let reports = 0;
      server.on('error', () => reports++);
      server.hub(contract, { path: '/hub', methods: METHODS, ...options });
      const port = await server.listen(0, '127.0.0.1');
      const url = `http://127.0.0.1:${port}/hub`;
      const headers = options.origins ? { origin: 'http://page.example' } : {};
      let response = await fetch(`${url}/negotiate?negotiateVersion=1`, { method: 'POST', headers });
      if (options.sameIdentity) {
        const { connectionToken } = (await response.json()) as { connectionToken: string };
        response = await fetch(`${url}?id=${connectionToken}`);
      }
      expect([500, 401, 403]).toContain(response.status);
      expect(reports).toBe(response.status === 500 ? 1 : 0);
    }
  });

  it('a thrown value from an error listener neither ends the process nor delays the caller', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
      await using world = await start({ methods: { ...METHODS, fail: async () => throwValue(() => new Error('a secret')) } });
      world.server.on('error', () => throwValue(odd));
      // eslint-disable-next-line @typescript-eslint/no-misused-promises -- plain JavaScript may do it
      world.server.on('error', async () => throwValue(odd));
      expect((await world.client.call('fail')).headers).toMatchObject({ 'hubline-code': 'internal' });
      expect(world.errors).toHaveLength(1);
      await expect.poll(() => printed.mock.calls.length).toBeGreaterThan(0);
    } finally {
      printed.mockRestore();
    }
  });
});

describe('the answer to a caller', () => {
  it.each(['authenticate', 'connected', 'method', 'authorize', 'middleware', 'generator'])(
    "contains nothing of other clients' errors that %s got",
    async (place) => {
      const inner = async (hub: Ctx['hub']): Promise<never> => {
        await hub.clients.all.invokeOne.confirm('?');
        throw new Error('unreachable');
      };
      const server = createHubServer();
      const reported: unknown[] = [];
      server.on('error', (stage, error) => reported.push([stage, error]));
      let isArmed = false;
      const fail = async (): Promise<never> => inner(hub);
      const hub: Ctx['hub'] = server.hub(contract, {
        path: '/hub',
        authenticate: async () => (isArmed && place === 'authenticate' ? fail() : {}),
        connected: async () => void (isArmed && place === 'connected' ? await fail() : undefined),
        authorize: { fail: async () => (place === 'authorize' ? fail() : true) },
        use: [async (_ctx, { method }, next) => (place === 'middleware' && method === 'fail' ? fail() : next())],
        methods: {
          ...METHODS,
          fail: async () => fail(),
          async *items() {
            yield 1;
            await fail();
          },
        },
      });
      const port = await server.listen(0, '127.0.0.1');
      // The error and the id of this client must not reach the caller.
      await using other = await RawClient.open(port);
      const asked = other.until(() => other.messages.find(({ target }) => target === 'confirm'));
      void asked.then(({ invocationId }) => other.send({ type: 3, invocationId, error: 'the secret of another client' }));
      const otherId = (await hub.presence.connections()).items[0]!.connectionId;
      isArmed = true;
      let answer = '';
      if (place === 'authenticate') {
        const response = await fetch(`http://127.0.0.1:${port}/hub/negotiate`, { method: 'POST' });
        answer = JSON.stringify([response.status, [...response.headers], await response.text()]);
        expect(response.status).toBe(500);
      } else {
        await using client = await RawClient.open(port);
        void client
          .until(() => client.messages.find(({ target }) => target === 'confirm'))
          .then(
            ({ invocationId }) => client.send({ type: 3, invocationId, error: 'mine' }),
            () => undefined,
          );
        if (place === 'generator') client.send({ type: 4, invocationId: 'c0', target: 'items', arguments: [] });
        else if (place !== 'connected') client.send({ type: 1, invocationId: 'c0', target: 'fail', arguments: [] });
        if (place === 'connected') await client.closed;
        else expect((await client.completion('c0')).headers).toMatchObject({ 'hubline-code': 'internal' });
        answer = client.frames.join('');
      }
      expect(answer).not.toContain('secret');
      expect(answer).not.toContain(otherId);
      expect(reported).toMatchObject([[expect.any(String), { code: 'no_client_responded' }]]);
      await server.close();
    },
  );
});

it('the data of a hubError reaches the caller', async () => {
  const data = { retryAt: 17, rooms: ['a'] };
  await using world = await start({ methods: { ...METHODS, fail: () => Promise.reject(hubError('Later.', data)) } });
  const { error, headers } = await world.client.call('fail');
  expect(error).toBe("An unexpected error occurred invoking 'fail' on the server. HubException: Later.");
  expect(JSON.parse((headers as Record<string, string>)['hubline-details']!)).toEqual({ data });
});

describe('a rejection that the program does not handle', () => {
  const rejections: unknown[] = [];
  const note = (reason: unknown): void => void rejections.push(reason);
  beforeEach(() => void process.on('unhandledRejection', note));
  afterEach(() => {
    process.off('unhandledRejection', note);
    expect(rejections.splice(0)).toEqual([]);
  });

  const UNHANDLED: Record<string, (ctx: Ctx, gone: string) => unknown> = {
    'ctx.groups.add': (ctx) => ctx.groups.add(''),
    'ctx.groups.remove': (ctx) => ctx.groups.remove(''),
    'groups.add': ({ hub }, gone) => hub.groups.add(gone, 'g'),
    'groups.remove': ({ hub }, gone) => hub.groups.remove(gone, 'g'),
    'attributes.set': ({ hub }, gone) => hub.attributes.set(gone, 'x' as never, 'y' as never),
    disconnect: ({ hub }) => hub.disconnect({ all: false as true }),
    'presence.count': ({ hub }) => hub.presence.count({ all: false as true }),
    'presence.isOnline': ({ hub }) => hub.presence.isOnline(''),
    'presence.groupsOf': ({ hub }, gone) => hub.presence.groupsOf(gone),
    invoke: ({ hub }, gone) => hub.clients.connection(gone).invoke.confirm('?'),
    invokeOne: ({ hub }, gone) => hub.clients.connection(gone).invokeOne.confirm('?'),
  };

  it.each(Object.keys(UNHANDLED))(
    'a rejection that the program does not handle is reported once and causes no unhandledRejection event: %s',
    async (name) => {
      let gone = '';
      await using world = await start({
        methods: { ...METHODS, fail: async (ctx) => ((gone ||= `${ctx.connectionId.slice(0, 11)}x`), void UNHANDLED[name]!(ctx, gone)) },
      });
      expect((await world.client.call('fail')).error).toBeUndefined();
      await expect.poll(() => world.errors).toHaveLength(1);
      expect(world.errors).toMatchObject([[expect.stringContaining(name.replace('ctx.', '').replace('invoke', 'invoke')), {}]]);
    },
  );

  it('a rejection of a join whose client has disconnected is reported as connection_gone', async () => {
    let release = (): void => undefined;
    const left = new Promise<void>((resolve) => (release = resolve));
    await using world = await start({
      disconnected: () => release(),
      methods: {
        ...METHODS,
        fail: async (ctx) => {
          await left;
          void ctx.groups.add('room');
        },
      },
    });
    await using client = await RawClient.open(world.port);
    client.send({ type: 1, invocationId: '1', target: 'fail', arguments: [] });
    await client[Symbol.asyncDispose]();
    await expect.poll(() => world.errors).toMatchObject([['groups.add', { code: 'connection_gone' }]]);
  });

  it('a rejection is not reported if the program handles it', async () => {
    await using world = await start({ methods: { ...METHODS, fail: async (ctx) => ctx.groups.add('').catch(() => 'caught') } });
    expect((await world.client.call('fail')).result).toBe('caught');
    await new Promise((resolve) => setImmediate(resolve));
    expect(world.errors).toEqual([]);
  });
});

describe('an internal error', () => {
  const failing = (serverOptions?: HubServerOptions) => {
    const server = createHubServer(serverOptions);
    server.hub(contract, { path: '/hub', methods: { ...METHODS, fail: async () => throwValue(() => new TypeError('why it failed')) } });
    return server;
  };

  it('an internal error is printed with its stack if there is no error listener, and otherwise goes to the listener', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
      await using server = failing();
      await using client = await RawClient.open(await server.listen(0, '127.0.0.1'));
      await client.call('fail');
      expect(printed.mock.calls).toEqual([['hubline: call of fail', expect.objectContaining({ message: 'why it failed' })]]);
      const received: unknown[] = [];
      server.on('error', (stage) => received.push(stage));
      await client.call('fail');
      expect([printed.mock.calls.length, received]).toEqual([1, ['call of fail']]);
    } finally {
      printed.mockRestore();
    }
  });

  it('an internal error goes to the logger of the server, also with an error listener', async () => {
    const lines: unknown[] = [];
    const log =
      (level: string) =>
      (...line: readonly unknown[]): void =>
        void lines.push([level, line[0]]);
    await using server = failing({ logger: { info: log('info'), warn: log('warn'), error: log('error') } });
    server.on('error', () => undefined);
    await using client = await RawClient.open(await server.listen(0, '127.0.0.1'));
    await client.call('fail');
    expect(lines).toContainEqual(['error', 'hubline: call of fail']);
  });

  it('an internal error is printed if the logger throws or rejects', async () => {
    const printed = vi.spyOn(console, 'error').mockImplementation(() => undefined);
    try {
      for (const error of [
        () => throwValue(() => new Error('logger')),
        async () => throwValue(() => new Error('logger')),
      ] as (() => never)[]) {
        await using server = failing({ logger: { info: () => undefined, warn: () => undefined, error } });
        await using client = await RawClient.open(await server.listen(0, '127.0.0.1'));
        await client.call('fail');
      }
      await expect
        .poll(() => printed.mock.calls.filter((line: readonly unknown[]) => line.some((part) => String(part).includes('logger failed'))))
        .toHaveLength(2);
    } finally {
      printed.mockRestore();
    }
  });
});
