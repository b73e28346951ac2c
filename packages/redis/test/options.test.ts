import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { startRedis } from '@hubline/testing/cluster';
import { LocalDouble } from '@hubline/testing/conformance';
import { Redis, type RedisOptions } from 'ioredis';
import { describe, expect, it, vi } from 'vitest';
import { redisBackplane, REQUIRED_SETTINGS, type RedisBackplaneOptions } from '../src/index.ts';
import { settingsFrom } from '../src/options.ts';

type Options = RedisBackplaneOptions;

/** Returns the settings of the connection that depend on these options. */
function connectionOf(options: Options): object {
  const { connection } = settingsFrom(options);
  return Object.fromEntries(
    (['host', 'port', 'username', 'password', 'db', 'tls'] as const)
      .map((name) => [name, connection[name]] as const)
      .filter(([, value]) => value !== undefined),
  );
}

function refusalOf(options: Options): { readonly option: string; readonly message: string } {
  try {
    redisBackplane(options);
  } catch (error) {
    const { code, details, message } = error as { code: string; details: { option: string }; message: string };
    expect(code).toBe('invalid_option');
    return { option: details.option, message };
  }
  throw new Error(`Not refused: ${JSON.stringify(options)}`);
}

describe('the address of Redis', () => {
  const LOCAL = { host: '127.0.0.1', port: 6379 };

  it.each<[string, Options, object]>([
    ['no options', {}, LOCAL],
    ['a host', { url: 'redis.test' }, { host: 'redis.test', port: 6379 }],
    ['a host and a port', { url: 'redis.test:7000' }, { host: 'redis.test', port: 7000 }],
    ['an address of IPv6', { url: '[::1]:7000' }, { host: '::1', port: 7000 }],
    ['a URL', { url: 'redis://redis.test' }, { host: 'redis.test', port: 6379 }],
    [
      'a whole URL',
      { url: 'redis://ann:p%40s%2Fs@redis.test:7000/3' },
      { host: 'redis.test', port: 7000, username: 'ann', password: 'p@s/s', db: 3 },
    ],
    ['a password alone', { url: 'redis://:secret@redis.test' }, { host: 'redis.test', port: 6379, password: 'secret' }],
    ['a database in the query', { url: 'redis://redis.test?db=4' }, { host: 'redis.test', port: 6379, db: 4 }],
    ['TLS', { url: 'rediss://redis.test' }, { host: 'redis.test', port: 6379, tls: {} }],
    ['a URL in capitals', { url: 'REDISS://redis.test' }, { host: 'redis.test', port: 6379, tls: {} }],
    ['TLS as an option', { tls: true }, { ...LOCAL, tls: {} }],
    ['no TLS in spite of the URL', { url: 'rediss://redis.test', tls: false }, { host: 'redis.test', port: 6379 }],
    [
      'TLS with options of tls.connect',
      { url: 'rediss://redis.test', tls: { servername: 'x' } },
      { host: 'redis.test', port: 6379, tls: { servername: 'x' } },
    ],
    [
      'a URL and options, which replace its parts',
      { url: 'redis://ann:secret@redis.test:7000/3', host: 'other.test', username: 'bob', db: 0 },
      { host: 'other.test', port: 7000, username: 'bob', password: 'secret', db: 0 },
    ],
    [
      'a URL and undefined options, which replace nothing',
      { url: 'redis://redis.test:7000/3', port: undefined, db: undefined },
      { host: 'redis.test', port: 7000, db: 3 },
    ],
  ])('the address of Redis is read from %s', (_name, options, expected) => {
    expect(connectionOf(options)).toEqual(expected);
    expect(settingsFrom(options).cluster).toBeUndefined();
  });

  it('the address of Redis is read from the arguments of redisBackplane: a URL, options, or a URL and options', () => {
    expect(redisBackplane('redis.test:7000', { port: 7001 }).options).toMatchObject({ host: 'redis.test', port: 7001 });
    expect(redisBackplane({ url: 'redis.test:7000' }).options).toMatchObject({ host: 'redis.test', port: 7000 });
    expect(redisBackplane().options).toMatchObject(LOCAL);
  });

  it('the address of Redis is a Redis Cluster if the URL names several nodes; user, password and TLS of the first one apply to all', () => {
    const nodes = [
      { host: 'a.test', port: 7000 },
      { host: 'b.test', port: 6379 },
    ];
    expect(settingsFrom({ url: 'a.test:7000, b.test' }).cluster).toEqual(nodes);
    const { cluster, connection } = settingsFrom({ url: 'rediss://ann:secret@a.test:7000,b.test' });
    expect(cluster).toEqual(nodes);
    expect(connection).toMatchObject({ username: 'ann', password: 'secret', tls: {} });
    expect(settingsFrom({ cluster: nodes, url: 'redis.test' }).cluster).toEqual(nodes);
    const withKey = settingsFrom({ url: 'rediss://:a2V5=@a.test:7000,b.test' });
    expect(withKey.cluster).toEqual(nodes);
    expect(withKey.connection.password).toBe('a2V5=');
  });

  it('the address of Redis can be the name of a master and a list of Sentinels', () => {
    const nodes = [{ host: 's.test', port: 26379 }];
    const { connection } = settingsFrom({ sentinels: { name: 'main', nodes, password: 'secret' }, password: 'other' });
    expect(connection).toMatchObject({ name: 'main', sentinels: nodes, sentinelPassword: 'secret', password: 'other' });
  });

  it.each([
    '',
    'http://redis.test',
    'redis://',
    'redis://redis.test:99999',
    'redis.test:x',
    'redis://redis.test/x',
    'unix:/run/redis',
    'redis://:%zz@redis.test',
  ])('the address of Redis is refused if it is no URL: %j', (url) => {
    expect(refusalOf({ url }).option).toBe('url');
  });

  it('the address of Redis is refused with an error that contains no password', () => {
    for (const url of ['redis://ann:secret@redis.test/x', 'redis://ann:%zzsecret@redis.test', 'http://ann:secret@redis.test']) {
      expect(refusalOf({ url }).message).not.toContain('secret');
    }
  });
});

it.each<[string, object, string, string]>([
  ['an option', { prefx: 'app' }, 'options.prefx', 'prefix'],
  ['an option of onUnavailable', { onUnavailable: { bufferByte: 1 } }, 'onUnavailable.bufferByte', 'bufferBytes'],
  ['an option of sentinels', { sentinels: { name: 'main', nodes: [], pasword: 'x' } }, 'sentinels.pasword', 'password'],
])('redisBackplane refuses %s that is unknown, and names the nearest known option', (...[, given, option, nearest]) => {
  const refusal = refusalOf(given);
  expect(refusal.option).toBe(option);
  expect(refusal.message).toContain(`the nearest name is '${nearest}'`);
});

describe('a connection string of .NET', () => {
  it.each([
    ['localhost:6379,abortConnect=false', "redisBackplane('localhost:6379', { startWithoutRedis: true })"],
    ['abortConnect=false', "redisBackplane('localhost:6379', { startWithoutRedis: true })"],
    ['localhost,AbortConnect=True', "redisBackplane('localhost', { startWithoutRedis: false })"],
    [
      'a.test:6380,password=hunter2,ssl=True,defaultDatabase=2,channelPrefix=app,user=ann',
      "redisBackplane('a.test:6380', { password: '…', tls: true, db: 2, prefix: 'app', username: 'ann' })",
    ],
    ['a.test:1,b.test:2,syncTimeout=500,connectTimeout=500', "redisBackplane('a.test:1,b.test:2', { redisTimeoutMs: 500 })"],
  ])('a connection string of .NET is refused with an error that shows the call to write instead: %s', (url, instead) => {
    const { option, message } = refusalOf({ url });
    expect(option).toBe('url');
    expect(message).toContain(`Write ${instead}`);
    expect(message).not.toContain('hunter2');
  });

  it('a connection string of .NET is refused with an error that names the settings without an equivalent', () => {
    expect(refusalOf({ url: 'localhost,allowAdmin=true,keepAlive=180' }).message).toContain(
      'no option corresponds to allowAdmin, keepAlive',
    );
  });
});

describe('redisBackplane', () => {
  it('redisBackplane has default options', () => {
    expect(redisBackplane().options).toEqual({
      host: '127.0.0.1',
      port: 6379,
      db: 0,
      tls: false,
      clients: 'its own',
      cluster: undefined,
      prefix: 'hubline',
      startWithoutRedis: true,
      heartbeatIntervalMs: 5000,
      nodeTimeoutMs: 20_000,
      redisTimeoutMs: 2000,
      sweepDelayMs: 60_000,
      repairMs: 10_000,
      repairBytes: 8 * 1024 * 1024,
      onUnavailable: { bufferBytes: 16 * 1024 * 1024, bufferMs: 25_000 },
    });
  });

  it('redisBackplane uses the defaults of undefined options', () => {
    const unset = Object.fromEntries([...Object.keys(redisBackplane().options), 'url', 'port'].map((name) => [name, undefined]));
    const { clients: _clients, ...options } = unset;
    expect(redisBackplane(options).options).toEqual(redisBackplane().options);
    expect(redisBackplane(undefined, options).options).toEqual(redisBackplane().options);
    expect(redisBackplane({ onUnavailable: { bufferMs: undefined } }).options).toEqual(redisBackplane().options);
  });

  it('redisBackplane shows its options without secrets, in a frozen object', () => {
    const { options } = redisBackplane('rediss://ann:hunter2@redis.test/1', {
      sentinels: { name: 'main', nodes: [{ host: 's.test', port: 1 }], password: 'hunter2' },
      tls: { key: 'hunter2' },
    });
    expect(options).toMatchObject({ username: 'ann', password: '***', tls: true, db: 1 });
    expect(JSON.stringify(options)).not.toContain('hunter2');
    expect(Object.isFrozen(options)).toBe(true);
  });

  it.each<[string, Options]>([
    ['cluster', { cluster: [] }],
    ['db', { url: 'a,b', db: 1 }],
    ['db', { url: 'redis://a/2,b' }],
    ['prefix', { prefix: '' }],
    ['prefix', { prefix: 'a b' }],
    ['prefix', { prefix: '{a}' }],
    ['prefix', { prefix: 'a\u0000' }],
    ['prefix', { prefix: ['admins'] as unknown as string }],
    ['prefix', { prefix: 'é'.repeat(128) }],
    ['prefix', { prefix: 'a\ud800' }],
    ['heartbeatIntervalMs', { heartbeatIntervalMs: 0 }],
    ['heartbeatIntervalMs', { heartbeatIntervalMs: Number.NaN }],
    ['heartbeatIntervalMs', { heartbeatIntervalMs: '5000' as never }],
    ['redisTimeoutMs', { redisTimeoutMs: -1 }],
    ['redisTimeoutMs', { redisTimeoutMs: Number.POSITIVE_INFINITY }],
    ['sweepDelayMs', { sweepDelayMs: 2 ** 31 }], // Node's timers would take it for 1
    ['nodeTimeoutMs', { nodeTimeoutMs: 1500.5, heartbeatIntervalMs: 100 }], // Redis needs whole milliseconds
    ['nodeTimeoutMs', { nodeTimeoutMs: Number.POSITIVE_INFINITY }],
    ['nodeTimeoutMs', { nodeTimeoutMs: 10_000 }],
    ['nodeTimeoutMs', { heartbeatIntervalMs: 10_000 }],
    ['onUnavailable', { onUnavailable: 'wait' as never }],
    ['onUnavailable', { onUnavailable: { bufferMs: 24_999 } }],
    ['onUnavailable', { onUnavailable: { bufferMs: Number.NaN } }],
    ...[0, -1, null, '50000'].map((bufferMs): [string, Options] => ['onUnavailable', { onUnavailable: { bufferMs: bufferMs as number } }]),
    ...(['heartbeatIntervalMs', 'nodeTimeoutMs', 'redisTimeoutMs', 'sweepDelayMs', 'repairMs'] as const).flatMap((option) =>
      [0, -1, Number.NaN, Infinity, 2 ** 31, null, '5000'].map((ms): [string, Options] => [option, { [option]: ms as number }]),
    ),
    ['onUnavailable', { onUnavailable: { bufferBytes: 0 } }],
  ])('redisBackplane refuses an invalid value of %s: %j', (option, options) => {
    expect(refusalOf(options).option).toBe(option);
  });

  it('redisBackplane accepts any other prefix, and uses it literally', () => {
    for (const prefix of ['app', 'app:prod', '*', '[a-z]?', 'ünïcødé']) expect(redisBackplane({ prefix }).options.prefix).toBe(prefix);
  });
});

it('settingsFrom sets the options of ioredis that the backplane requires', () => {
  expect(settingsFrom({}).connection).toMatchObject({
    enableOfflineQueue: false,
    autoResendUnfulfilledCommands: false,
    autoResubscribe: false,
    maxRetriesPerRequest: 0,
    disableClientInfo: true,
    keyPrefix: '',
    replyMapping: 'legacy',
    stringNumbers: false,
  });
});

describe('a client of createClient', () => {
  const node = { nodeId: 'ann', process: 'a', app: 'test', accepts: true, startedAt: 0 };
  const observer = { down: vi.fn(), up: vi.fn(), gap: vi.fn(), stale: vi.fn(), joined: vi.fn(), lost: vi.fn(), report: vi.fn() };

  it.each(Object.entries(REQUIRED_SETTINGS))(
    'a client of createClient is refused without the required setting %s: %j',
    async (name, value) => {
      const wrong =
        typeof value === 'boolean' ? !value
        : typeof value === 'number' ? 1
        : name === 'replyMapping' ? 'resp3'
        : 'x';
      const made: Redis[] = [];
      const backplane = redisBackplane({
        createClient: (role, settings) => {
          const client = new Redis({ ...settings, lazyConnect: true, ...(role === 'subscriber' && { [name]: wrong }) });
          made.push(client);
          return client;
        },
      });
      expect(() => backplane.open(node, new LocalDouble(), observer)).toThrow(
        expect.objectContaining({
          code: 'invalid_option',
          details: { option: 'createClient' },
          message: expect.stringContaining(name) as string,
        }),
      );
      await vi.waitFor(() => expect(made.map(({ status }) => status)).toEqual(['end', 'end'])); // refused clients do not go on connecting
    },
  );

  it.each<[string, RedisOptions]>([
    ['undefined', {}],
    ['20 attempts', { retryStrategy: (times) => (times > 20 ? null : 50) }],
    ['delays of up to two seconds', { retryStrategy: (times) => Math.min(times * 50, 2000) }],
  ])(
    'a client of createClient is refused with a retryStrategy that does not retry for ever within 250 ms: %s',
    (_name, { retryStrategy }) => {
      const made: Redis[] = [];
      const backplane = redisBackplane({
        createClient: (_role, settings) => {
          const client = new Redis({ ...settings, lazyConnect: true, retryStrategy });
          made.push(client);
          return client;
        },
      });
      expect(() => backplane.open(node, new LocalDouble(), observer)).toThrow(/needs a retryStrategy/);
      expect(made.map(({ status }) => status)).toEqual(['end']);
    },
  );

  it('a client of createClient may have lazyConnect: the backplane connects it', async () => {
    await using redis = await startRedis();
    const backplane = redisBackplane({
      startWithoutRedis: false,
      createClient: (_role, settings) => new Redis({ ...settings, port: redis.port, lazyConnect: true }),
    });
    const link = backplane.open({ ...node, process: crypto.randomUUID() }, new LocalDouble(), observer);
    await backplane.ready();
    expect(backplane.state).toBe('up');
    await link.close();
  });

  it('a backplane works with an ACL user that may access only the keys and channels of its prefix', async () => {
    await using redis = await startRedis();
    await redis.call('ACL', 'SETUSER', 'ann', 'on', '>secret', '~shop:*', '&shop:*', '+@all', '-@admin', '-@dangerous', '+info');
    const backplane = redisBackplane(`redis://ann:secret@127.0.0.1:${redis.port}/2`, { prefix: 'shop', heartbeatIntervalMs: 50 });
    const link = backplane.open({ ...node, process: crypto.randomUUID() }, new LocalDouble(), observer);
    await backplane.ready();
    await link.bus.subscribe('t', () => undefined).ready;
    await link.bus.publish('t', Buffer.from('hi'));
    expect((await link.directory.nodes()).value).toHaveLength(1);
    expect(await redis.keys()).toEqual([]); // the keys are in database 2
    expect(String(await redis.call('INFO', 'keyspace'))).toContain('db2:keys=');
    await link.close();
    expect(observer.report).not.toHaveBeenCalled();

    const outside = redisBackplane(`redis://ann:secret@127.0.0.1:${redis.port}`, { prefix: 'other', startWithoutRedis: false });
    const refused = outside.open(node, new LocalDouble(), observer);
    await expect(outside.ready()).rejects.toMatchObject({ code: 'backplane_unavailable', message: /NOPERM/ });
    await refused.close();
  });
});

it('the package @hubline/redis loads ioredis, and @hubline/server does not', { timeout: 60_000 }, async () => {
  const hooks = `export const resolve = async (name, context, next) => {
    if (name.startsWith('ioredis')) throw new Error('ioredis is loaded');
    return next(name, context);
  };`;
  const load = (name: string) => `
    import { register } from 'node:module';
    register(${JSON.stringify(`data:text/javascript,${encodeURIComponent(hooks)}`)});
    await import(${JSON.stringify(name)});
    console.log('loaded');`;
  const run = (name: string) =>
    promisify(execFile)(process.execPath, ['--input-type=module', '--eval', load(name)], { cwd: import.meta.dirname });
  expect((await run('@hubline/server')).stdout).toBe('loaded\n');
  await expect(run('@hubline/redis')).rejects.toThrow('ioredis is loaded');
});
