import { defineHub } from '@hubline/protocol';
import { createHubServer, memoryBackplane, type Context } from '@hubline/server';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { RawClient } from './raw-client.ts';
import { errorOf } from './option-errors.ts';

interface Calls {
  try(what: string, value: unknown): Promise<string>;
}
interface Receiver {
  said(text: string): void;
}
interface Attributes {
  role: string;
}
const contract = defineHub<Calls, Receiver, Attributes>('names');
type Ctx = Context<Receiver, Attributes>;

/** Invalid names, as plain JavaScript or a client may give them. */
const NO_NAMES: readonly (readonly [what: string, value: unknown])[] = [
  ['an array', ['admins']],
  ['a deep array', Array.from({ length: 20_000 }).reduce<unknown>((inner) => [inner], [])],
  ['an object with toString', { toString: () => 'admins' }],
  ['a number', 5],
  ['a bigint', 5n],
  ['null', null],
  ['undefined', undefined],
  ['a symbol', Symbol('admins')],
  ['empty', ''],
  ['too long', 'é'.repeat(128)],
  ['half of a surrogate pair', 'a\ud83d'],
];

/** Each method of a hub that takes a name, with the name of the argument and a call. */
const TAKES_A_NAME: readonly (readonly [method: string, option: string, call: (ctx: Ctx, name: string) => unknown])[] = [
  ['ctx.groups.add', 'group', (ctx, name) => ctx.groups.add(name)],
  ['ctx.groups.remove', 'group', (ctx, name) => ctx.groups.remove(name)],
  ['ctx.clients.othersInGroup', 'group', (ctx, name) => ctx.clients.othersInGroup(name)],
  ['clients.group', 'group', ({ hub }, name) => hub.clients.group(name)],
  ['clients.user', 'user', ({ hub }, name) => hub.clients.user(name)],
  ['clients.connection', 'connection', ({ hub }, name) => hub.clients.connection(name)],
  ['clients.matching group', 'group', ({ hub }, name) => hub.clients.matching({ group: name })],
  ['clients.matching user', 'user', ({ hub }, name) => hub.clients.matching({ anyOf: [{ all: true }, { user: name }] })],
  ['clients.matching connection', 'connection', ({ hub }, name) => hub.clients.matching({ allOf: [{ connection: name }] })],
  ['clients.matching except', 'except', ({ hub }, name) => hub.clients.matching({ all: true, except: [name] })],
  ['target.except', 'except', ({ hub }, name) => hub.clients.all.except(name)],
  ['groups.add group', 'group', ({ hub, connectionId }, name) => hub.groups.add(connectionId, name)],
  ['groups.add connectionId', 'connectionId', ({ hub }, name) => hub.groups.add(name, 'g')],
  ['groups.remove group', 'group', ({ hub, connectionId }, name) => hub.groups.remove(connectionId, name)],
  ['groups.remove connectionId', 'connectionId', ({ hub }, name) => hub.groups.remove(name, 'g')],
  ['attributes.set connectionId', 'connectionId', ({ hub }, name) => hub.attributes.set(name, 'role', 'x')],
  ['attributes.set key', 'key', ({ hub, connectionId }, name) => hub.attributes.set(connectionId, name as 'role', 'x')],
  ['disconnect group', 'group', ({ hub }, name) => hub.disconnect({ group: name })],
  ['disconnect connection', 'connection', ({ hub }, name) => hub.disconnect({ connection: name })],
  ['presence.connections', 'group', ({ hub }, name) => hub.presence.connections({ group: name })],
  ['presence.count', 'user', ({ hub }, name) => hub.presence.count({ user: name })],
  ['presence.isOnline', 'userIds', ({ hub }, name) => hub.presence.isOnline([name])],
  ['presence.groupsOf', 'connectionId', ({ hub }, name) => hub.presence.groupsOf(name)],
  ['presence.watch', 'group', ({ hub }, name) => hub.presence.watch({ group: name })],
  ['presence.watchUsers', 'group', ({ hub }, name) => hub.presence.watchUsers({ group: name })],
];

/** Options that may be empty. */
const MAY_BE_EMPTY = new Set(['server pathPrefix', 'hub path', 'connectionHandler path']);

describe('a hub', () => {
  let ctx!: Ctx;
  let client!: RawClient;
  const server = { current: createHubServer() };

  beforeEach(async () => {
    server.current = createHubServer();
    server.current.hub(contract, {
      path: '/hub',
      attributes: { role: 'indexed' },
      connected: (connected) => void (ctx = connected),
      methods: { try: async () => 'tried' },
    });
    client = await RawClient.open(await server.current.listen(0, '127.0.0.1'));
    await client.call('try', 'x', 1);
  });
  afterEach(async () => {
    await client[Symbol.asyncDispose]();
    await server.current.close();
  });

  it.each(TAKES_A_NAME)('a hub refuses an invalid name in %s, and names the argument', async (method, option, call) => {
    for (const [what, value] of NO_NAMES) {
      if (value === '' && MAY_BE_EMPTY.has(method)) continue;
      if (method === 'presence.isOnline' && Array.isArray(value)) continue; // a list of users
      const refused = await errorOf(() => call(ctx, value as string));
      // An argument that may also be a filter takes an object for a filter.
      const isFilter = method.startsWith('groups.') && option === 'connectionId' && typeof value === 'object' && value !== null;
      expect(refused, what).toMatchObject({ code: 'invalid_option', details: { option: isFilter ? 'filter' : option } });
    }
    expect(await ctx.hub.presence.groupsOf(ctx.connectionId)).toEqual([]);
    expect(await ctx.hub.presence.count()).toMatchObject({ value: 1 });
  });

  it.each([
    undefined,
    null,
    'all',
    5n,
    [],
    {},
    { all: false },
    { all: 1 },
    { group: 'a', user: 'b' },
    { allOf: 'ab' },
    { anyOf: { length: 1 } },
    { where: null },
    { nobody: 'x' },
    { all: true, except: 'x' },
    { all: true, except: null },
  ])('a hub refuses an invalid filter: %o', async (filter) => {
    const given = filter as unknown as { readonly all: true };
    for (const ask of [ctx.hub.clients.matching, ctx.hub.disconnect])
      expect(await errorOf(() => ask(given))).toMatchObject({ code: 'invalid_option' });
  });

  it('a hub accepts a filter of 16 levels, and refuses a deeper one', async () => {
    const nested = (levels: number): { readonly all: true } =>
      Array.from({ length: levels - 1 }).reduce((inner) => ({ anyOf: [inner] }), { all: true }) as { readonly all: true };
    expect(await ctx.hub.presence.count(nested(16))).toMatchObject({ value: 1 });
    for (const levels of [17, 20_000])
      expect(await errorOf(() => ctx.hub.clients.matching(nested(levels)))).toMatchObject({ code: 'invalid_option' });
  });

  it('a hub refuses a connection id with characters that no id has, since ids are part of channels', async () => {
    expect(await errorOf(() => ctx.hub.clients.connection('a b{c}'))).toMatchObject({ code: 'invalid_option' });
  });

  it.each([
    ['limit', 'connections', [0, -1, NaN, Infinity, 1.5, '1', 5n, null]],
    ['cursor', 'connections', [5, {}, null, 'a b', 'x'.repeat(3000)]],
    ['select', 'connections', ['nodeId', ['nobody'], ['constructor'], [['nodeId']], [Symbol('x')], 5, null]],
    ['limit', 'users', [0, '1', 5n]],
    ['cursor', 'users', [5, {}, 'a b']],
    ['graceMs', 'watchUsers', [NaN, '5', 5n, null]],
    ['signal', 'watchUsers', [{}, null]],
    ['signal', 'watch', [{}, null]],
    ['timeoutMs', 'with', [NaN, '5', 5n, null]],
    ['attemptMs', 'with', [NaN, '5', 5n, null]],
    ['signal', 'with', [{}, null]],
    ['options', 'disconnect', [5, 5n, null, Symbol('x')]],
  ] as const)('a hub refuses an invalid %s of %s', async (option, method, values) => {
    const { hub } = ctx;
    const all = { all: true } as const;
    const call = (value: never): unknown => {
      const options = { [option]: value };
      if (method === 'with') return hub.clients.all.with(options);
      if (method === 'disconnect') return hub.disconnect(all, value);
      return method === 'users' ? hub.presence.users(options) : hub.presence[method](all, options);
    };
    for (const value of values)
      expect(await errorOf(() => call(value as never)), typeof value).toMatchObject({ code: 'invalid_option', details: { option } });
    expect(await hub.presence.count()).toMatchObject({ value: 1 });
  });

  it.each([
    ['a bigint', 5n],
    ['an object', {}],
    ['too long', 'x'.repeat(256)],
    ['malformed', '\udfff'],
    ['NaN', NaN],
  ] as const)('a hub refuses an attribute whose value is %s', async (_what, value) => {
    const { hub, connectionId } = ctx;
    expect(await errorOf(() => hub.clients.where({ role: value as string }))).toMatchObject({ details: { option: 'role' } });
    expect(await errorOf(() => hub.attributes.set(connectionId, 'role', value as string))).toMatchObject({
      code: 'invalid_option',
      details: { option: 'role' },
    });
  });
});

describe('a result of authenticate', () => {
  it.each([
    ['a bigint as user', { userId: 5n }],
    ['null as user', { userId: null }],
    ['an array as user', { userId: ['alice'] }],
    ['an empty user', { userId: '' }],
    ['a name alone', 'alice'],
    ['a list', ['alice']],
    ['null', null],
    ['attributes that are a text', { attributes: 'admin' }],
    ['attributes that are a number', { attributes: 5 }],
    ['attributes that are null', { attributes: null }],
    ['an attribute with a name that every object has', { attributes: { constructor: 'x' } }],
    ['an attribute of an object', { attributes: { role: { toString: () => 'admin' } } }],
    ['an attribute that is too long', { attributes: { role: 'x'.repeat(256) } }],
    ['an undeclared attribute', { attributes: { [`${'x'.repeat(256)}`]: 1 } }],
  ])('a result of authenticate with %s refuses the request and is reported', async (_what, answer) => {
    await using server = createHubServer();
    const errors: unknown[] = [];
    server.on('error', (_stage, error) => errors.push(error));
    const authenticate = () => answer as unknown as { userId: string };
    server.hub(contract, { path: '/hub', attributes: { role: 'indexed' }, authenticate, methods: { try: async () => 'tried' } });
    server.connectionHandler('/raw', () => undefined, { authenticate });
    const port = await server.listen(0, '127.0.0.1');
    for (const path of ['hub', 'raw']) {
      const response = await fetch(`http://127.0.0.1:${port}/${path}/negotiate?negotiateVersion=1`, { method: 'POST' });
      expect(response.status).toBe(500);
    }
    expect(errors).toMatchObject([{ code: 'invalid_option' }, { code: 'invalid_option' }]);
  });
});

describe('a server', () => {
  const methods = { try: async () => 'tried' };
  const host = (name: string, path: string): void =>
    void createHubServer({ backplane: memoryBackplane() }).hub(defineHub<Calls, Receiver, Attributes>(name), { path, methods });
  it.each([
    ['server nodeId', 'nodeId', (name: string) => createHubServer({ nodeId: name })],
    ['server app', 'app', (name: string) => createHubServer({ app: name })],
    ['server pathPrefix', 'pathPrefix', (name: string) => createHubServer({ pathPrefix: name })],
    ['hub name', 'name', (name: string) => host(name, '/hub')],
    ['hub path', 'path', (name: string) => host('hub', name)],
    ['connectionHandler path', 'path', (name: string) => createHubServer().connectionHandler(name, () => undefined)],
  ] as const)('a server refuses an invalid name as %s, and names the argument', async (method, option, make) => {
    for (const [what, value] of NO_NAMES) {
      if (value === undefined && method.startsWith('server')) continue; // the default
      if (value === '' && MAY_BE_EMPTY.has(method)) continue;
      if (value === null && method === 'server pathPrefix') continue;
      expect(await errorOf(() => make(value as string)), what).toMatchObject({ code: 'invalid_option', details: { option } });
    }
  });

  it('a server refuses an attribute that is declared as neither indexed nor plain', async () => {
    const declare = (attributes: object) => () => createHubServer().hub(contract, { path: '/hub', attributes: attributes, methods });
    for (const attributes of [{ role: 'index' }, { role: true }, { '': 'plain' }, { ['x'.repeat(256)]: 'plain' }])
      expect(await errorOf(declare(attributes))).toMatchObject({ code: 'invalid_option' });
  });
});
