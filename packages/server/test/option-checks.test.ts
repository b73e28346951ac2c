import { createServer } from 'node:http';
import { defineHub, jsonCodec } from '@hubline/protocol';
import { createHubServer, memoryBackplane, type HubServer, type RawConnection } from '@hubline/server';
import type { Backplane } from '@hubline/server/backplane';
import { describe, expect, it } from 'vitest';
import { listenAndConnect } from './listen-and-connect.ts';
import { RawClient } from './raw-client.ts';
import { errorOf, invalidOption } from './option-errors.ts';

interface Calls {
  say(text: string): Promise<string>;
}
interface Receiver {
  said(text: string): void;
}
const contract = defineHub<Calls, Receiver, { role: string }>('options', { say: { args: 1 } });
const methods = { say: async (_ctx: unknown, text: string) => text };
/** Options as plain JavaScript may give them. */
const plain = (options: object): never => options as never;

const hosted = (server: HubServer, options: object, from: object = contract): unknown =>
  server.hub(from as typeof contract, plain({ path: '/hub', methods, ...options }));

describe('an unknown option is refused, and the error names the nearest one:', () => {
  it.each<[string, option: string, nearest: string, act: (server: HubServer) => unknown]>([
    ['an option of the server', 'options.trustProxi', 'trustProxy', () => createHubServer(plain({ trustProxi: 1 }))],
    ['a limit', 'limits.maxConections', 'maxConnections', () => createHubServer({ limits: plain({ maxConections: 1 }) })],
    ['a time limit', 'timeouts.clientMS', 'clientMs', () => createHubServer({ timeouts: plain({ clientMS: 1 }) })],
    ['an option of affinity', 'affinity.cokie', 'cookie', () => createHubServer({ affinity: plain({ cokie: 'x' }) })],
    ['an option of a hub', 'options.autenticate', 'authenticate', (server) => hosted(server, { autenticate: () => ({}) })],
    ['a limit of a hub', 'limits.maxGroup', 'maxGroups', (server) => hosted(server, { limits: { maxGroup: 1 } })],
    ['authorize', 'authorize.sya', 'say', (server) => hosted(server, { authorize: { sya: () => true } })],
    ['args', 'args.sayy', 'say', (server) => hosted(server, { args: { sayy: { '~standard': {} } } })],
    ['a contract', 'contract.kind', 'kinds', (server) => hosted(server, {}, { ...contract, kind: {} })],
    ['kinds of a contract', 'kinds.sayz', 'say', (server) => hosted(server, {}, defineHub<Calls>('x', plain({ sayz: { args: 1 } })))],
    [
      'an option of a handler',
      'options.orgins',
      'origins',
      (server) => server.connectionHandler('/raw', () => undefined, plain({ orgins: '*' })),
    ],
    ['an option of drain', 'options.graceMS', 'graceMs', (server) => server.drain(plain({ graceMS: 1 }))],
    ['an option of close', 'options.graceMS', 'graceMs', (server) => server.close(plain({ graceMS: 1 }))],
  ])('%s', async (...[, option, nearest, act]) => {
    await using server = createHubServer();
    expect(await errorOf(() => act(server))).toEqual(invalidOption(option, { text: new RegExp(`the nearest name is '${nearest}'`) }));
  });

  it('an unknown option without a near name is refused, and an undefined one is ignored', async () => {
    expect(await errorOf(() => createHubServer(plain({ zzzzzz: 1 })))).toEqual(
      invalidOption('options.zzzzzz', { text: /is no option\.$/ }),
    );
    await using server = createHubServer(plain({ zzzzzz: undefined, limits: { maxGroups: undefined }, timeouts: { callMs: undefined } }));
    hosted(server, {
      zzzzzz: undefined,
      limits: { nothing: undefined },
      authorize: { nobody: undefined },
      attributes: { role: undefined },
    });
  });
});

type Row = readonly [string, option: string, values: readonly unknown[], act: (server: HubServer, value: never) => unknown];
const WRONG = [null, 5, 'text', true, [], Symbol('x')];
/** The methods that an HTTP server has and an application lacks. */
const SERVER = { emit: () => true, listen: () => undefined, close: () => undefined };
const without = (...fine: readonly unknown[]): readonly unknown[] => WRONG.filter((value) => !fine.includes(value));

describe('an argument of the wrong type is refused, and the error names it:', () => {
  it.each<Row>([
    ['createHubServer', 'options', [null, 5, 'text'], (_server, value) => createHubServer(value)],
    ...(['limits', 'timeouts', 'affinity'] as const).map(
      (option) =>
        [`createHubServer ${option}`, option, [null, 5], (_s: HubServer, value: never) => createHubServer({ [option]: value })] as Row,
    ),
    ...(['accept', 'detailedErrors'] as const).map(
      (option) => [option, option, without(true), (_s: HubServer, value: never) => createHubServer({ [option]: value })] as Row,
    ),
    ['backplane', 'backplane', [...WRONG, {}, { open: true }], (_s, value) => createHubServer({ backplane: value })],
    ['backplane of a hub', 'backplane', WRONG, (server, value) => hosted(server, { backplane: value })],
    ['backplane of a hub without a path', 'backplane', WRONG, (server, value) => server.hub(contract, { backplane: value })],
    ['logger', 'logger', [null, 5, true], (_s, value) => createHubServer({ logger: value })],
    ['protocols', 'protocols', [null, 5, [], [null], [{}], [jsonCodec, jsonCodec]], (_s, value) => createHubServer({ protocols: value })],
    ['hub contract', 'contract', [null, undefined, 5, 'chat'], (server, value) => server.hub(value)],
    ['hub options', 'options', [null, 5, 'text'], (server, value) => server.hub(contract, value)],
    ...(['authenticate', 'redirect', 'sameIdentity', 'connected', 'disconnected'] as const).map(
      (option) => [option, option, WRONG, (server: HubServer, value: never) => hosted(server, { [option]: value })] as Row,
    ),
    ...(['methods', 'args', 'authorize', 'results', 'attributes'] as const).map(
      (option) =>
        [option, option, [null, 5, 'text', true], (server: HubServer, value: never) => hosted(server, { [option]: value })] as Row,
    ),
    ['use', 'use', without(WRONG[4]), (server, value) => hosted(server, { use: value })],
    ['use[0]', 'use[0]', WRONG, (server, value) => hosted(server, { use: [value] })],
    ['a method', 'methods.say', WRONG, (server, value) => hosted(server, { methods: { say: value } })],
    [
      'a method of an object without a prototype',
      'methods.say',
      WRONG,
      (server, value) => hosted(server, { methods: Object.assign(Object.create(null) as object, { say: value }) }),
    ],
    ['a check', 'authorize.say', WRONG, (server, value) => hosted(server, { authorize: { say: value } })],
    ['a schema', 'args.say', WRONG, (server, value) => hosted(server, { args: { say: value } })],
    ['a schema of results', 'results.said', WRONG, (server, value) => hosted(server, { results: { said: value } })],
    ['handler', 'handler', [...WRONG, undefined], (server, value) => server.connectionHandler('/raw', value)],
    ['handler options', 'options', [null, 5], (server, value) => server.connectionHandler('/raw', () => undefined, value)],
    ...(['authenticate', 'redirect', 'sameIdentity'] as const).map(
      (option) =>
        [
          `${option} of a handler`,
          option,
          WRONG,
          (server: HubServer, value: never) => server.connectionHandler('/raw', () => undefined, { [option]: value }),
        ] as Row,
    ),
    ['listen', 'port', [null, undefined, '80', NaN, -1, 65_536, 1.5, []], (server, value) => server.listen(value)],
    ['on', 'event', [null, undefined, 'eror', 'constructor', 5], (server, value) => server.on(value, () => undefined)],
    ['a listener', 'listener', WRONG, (server, value) => server.on('error', value)],
    ['drain', 'options', [null, 5], (server, value) => server.drain(value)],
    ['drain spreadMs', 'spreadMs', [null, '5', NaN, Infinity], (server, value) => server.drain({ spreadMs: value })],
    ['attach', 'server', WRONG, (server, value) => server.attach(value)],
    ...(['emit', 'listen', 'close'] as const).map(
      (name) =>
        [
          `attach without ${name}`,
          'server',
          [{ ...SERVER, [name]: undefined }],
          (server: HubServer, value: never) => server.attach(value),
        ] as Row,
    ),
    ['attach options', 'options', [null, 5], (server, value) => server.attach(createServer(), value)],
    ['close', 'options', [null, 5], (server, value) => server.close(value)],
    ['close graceMs', 'graceMs', [null, '5', NaN], (server, value) => server.close({ graceMs: value })],
    ['presence.connections', 'options', [null, 5], (server, value) => server.hub(contract).presence.connections({ all: true }, value)],
    ['presence.connections filter', 'filter', [null, 5], (server, value) => server.hub(contract).presence.connections(value)],
    ['presence.users', 'options', [null, 5], (server, value) => server.hub(contract).presence.users(value)],
    ['presence.count', 'filter', [null, 5], (server, value) => server.hub(contract).presence.count(value)],
    ['presence.isOnline', 'userId', [null, undefined, 5, {}], (server, value) => server.hub(contract).presence.isOnline(value)],
    ['presence.groupsOf', 'connectionId', [null, undefined, 5, {}], (server, value) => server.hub(contract).presence.groupsOf(value)],
    ['presence.watch', 'options', [null, 5], (server, value) => server.hub(contract).presence.watch({ all: true }, value)],
    ['presence.watchUsers', 'options', [null, 5], (server, value) => server.hub(contract).presence.watchUsers({ all: true }, value)],
    ['with', 'options', [null, undefined, 5], (server, value) => server.hub(contract).clients.all.with(value)],
    ['with signal', 'signal', [...WRONG, {}], (server, value) => server.hub(contract).clients.all.with({ signal: value })],
    ['watch signal', 'signal', [...WRONG, {}], (server, value) => server.hub(contract).presence.watch({ all: true }, { signal: value })],
    [
      'with a misspelt name',
      'options.timeoutMS',
      [5],
      (server, value) => server.hub(contract).clients.all.with(plain({ timeoutMS: value })),
    ],
    ['anyOf', 'filter', [null, undefined, 5, {}], (server, value) => server.hub(contract).clients.anyOf(value)],
    ['allOf', 'filter', [null, undefined, 5, {}], (server, value) => server.hub(contract).clients.allOf(value)],
    ['where', 'where', [null, undefined, 5], (server, value) => server.hub(contract).clients.where(value)],
    [
      'an attribute in where',
      'where',
      ['', 'x'.repeat(256), '\ud800'],
      (server, name) => server.hub(contract).clients.where({ [name]: 'x' }),
    ],
    ['disconnect', 'filter', [null, undefined, 5], (server, value) => server.hub(contract).disconnect(value)],
    ['disconnect options', 'options', [null, 5], (server, value) => server.hub(contract).disconnect({ all: true }, value)],
    ...(['code', 'message', 'allowReconnect'] as const).map(
      (option) =>
        [
          `disconnect ${option}`,
          option,
          without(...(option === 'allowReconnect' ? [true] : ['text'])),
          (server: HubServer, value: never) => server.hub(contract).disconnect({ all: true }, { [option]: value }),
        ] as Row,
    ),
    ['groups.add', 'connectionId', [null, undefined, 5], (server, value) => server.hub(contract).groups.add(value, 'g')],
  ])('%s', async (...[, option, values, act]) => {
    for (const value of values) {
      await using server = createHubServer();
      expect([value, await errorOf(() => act(server, value as never))]).toEqual([value, invalidOption(option)]);
    }
  });

  it('a memory backplane refuses a second link of one process', async () => {
    const memory = memoryBackplane();
    const open: Backplane['open'] = (...options) => {
      const link = memory.open(...options);
      try {
        return memory.open(...options);
      } finally {
        void link.close();
      }
    };
    expect(await errorOf(() => createHubServer({ backplane: { open } }))).toEqual(invalidOption('process'));
  });

  it('a schema may be a function, as in ArkType', async () => {
    await using server = createHubServer();
    const schema = Object.assign(() => undefined, {
      '~standard': { version: 1, vendor: 'test', validate: () => ({ value: ['checked'] }) },
    });
    hosted(server, { args: { say: schema } });
    await using world = await listenAndConnect(server);
    expect((await world.client.call('say', 'text')).result).toBe('checked');
  });

  it('close of a raw connection refuses an invalid reason', async () => {
    await using server = createHubServer();
    const refusals: unknown[] = [];
    server.connectionHandler('/raw', async (connection: RawConnection) => {
      const codes = [undefined, 'nope', null, 'constructor'].map((code) => ({ code }));
      for (const reason of [null, 5, 'normal', ...codes, { kode: 'normal' }, { code: 'shutdown', allowReconect: true }])
        refusals.push(await errorOf(() => connection.close(reason as never)));
      connection.close({ code: 'shutdown' });
    });
    const client = new RawClient(await server.listen(0, '127.0.0.1'), { path: '/raw' });
    expect(await client.closed).toBe(1001);
    expect(refusals).toHaveLength(9);
    expect(refusals).toEqual(refusals.map(() => expect.objectContaining({ code: 'invalid_option' }) as unknown));
  });
});

describe('methods of a class', () => {
  class Base {
    readonly #greeting: string = 'hello';
    async say(_ctx: unknown, text: string): Promise<string> {
      return `${this.#greeting} ${text}`;
    }
    async shout(_ctx: unknown, text: string): Promise<string> {
      return (await this.say(_ctx, text)).toUpperCase();
    }
  }
  class Chat extends Base {
    readonly note = 'a field is no method';
    readonly arrow = async (): Promise<string> => this.note;
    override async say(ctx: unknown, text: string): Promise<string> {
      return `${await super.say(ctx, text)}!`;
    }
  }

  it('methods of a class include inherited ones, are bound to the instance, and exclude those of Object.prototype', async () => {
    await using server = createHubServer();
    const classy = defineHub<Pick<Chat, 'say' | 'shout' | 'arrow'>>('classy', plain({ shout: { args: 1 } }));
    server.hub(classy, plain({ path: '/hub', methods: new Chat(), authorize: { shout: () => true } }));
    await using world = await listenAndConnect(server);
    const results = async (...names: readonly string[]): Promise<unknown[]> =>
      Promise.all(names.map(async (name) => (await world.client.call(name, ...(name === 'arrow' ? [] : ['x']))).result));
    expect(await results('say', 'shout', 'arrow')).toEqual(['hello x!', 'HELLO X!', 'a field is no method']);
    for (const name of ['constructor', 'toString', 'hasOwnProperty', '__proto__', 'note'])
      expect(await world.client.call(name)).toMatchObject({ error: expect.stringContaining('Unknown hub method') as string });
  });
});
