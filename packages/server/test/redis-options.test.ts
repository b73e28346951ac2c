import { isHublineError, type HublineError } from '@hubline/protocol';
import { describe, expect, it } from 'vitest';
import { redisBackplane, type RedisBackplaneOptions } from '../src/redis/index.ts';

function refusalOf(options: RedisBackplaneOptions | string): HublineError {
  try {
    shown(options);
  } catch (error) {
    if (isHublineError(error) && error.code === 'invalid_option') return error;
    throw error;
  }
  throw new Error(`Not refused: ${JSON.stringify(options)}`);
}
const shown = (first: RedisBackplaneOptions | string, options: RedisBackplaneOptions = {}) =>
  (typeof first === 'string' ? redisBackplane(first, options) : redisBackplane(first)).options;

describe('the options of a Redis backplane', () => {
  it('are taken from the URL, but those given beside it count', () => {
    expect(shown('redis://ann:secret@redis.example:7000/3')).toMatchObject({ host: 'redis.example', port: 7000, db: 3, username: 'ann' });
    expect(shown('redis://ann:secret@redis.example:7000/3', { port: 7001, db: 0, username: 'bob' })).toMatchObject({
      host: 'redis.example',
      port: 7001,
      db: 0,
      username: 'bob',
    });
    expect(shown('redis.example')).toMatchObject({ host: 'redis.example', port: 6379, db: 0, tls: false });
    expect(shown('redis.example:7000')).toMatchObject({ host: 'redis.example', port: 7000 });
    expect(shown('redis://[::1]:7000?db=2')).toMatchObject({ host: '::1', port: 7000, db: 2 });
    expect(shown('rediss://redis.example')).toMatchObject({ tls: true });
    expect(shown('rediss://redis.example', { tls: false })).toMatchObject({ tls: false });
    expect(shown('a:1, b:2,redis://c').cluster).toEqual([
      { host: 'a', port: 1 },
      { host: 'b', port: 2 },
      { host: 'c', port: 6379 },
    ]);
  });

  it('are shown without secrets', () => {
    const sentinels = { name: 'main', nodes: [{ host: 'a', port: 1 }], password: 's3cret' };
    for (const options of [
      shown('redis://ann:s3cret@redis.example'),
      shown({ username: 'ann', password: 's3cret', tls: { key: 's3cret' }, sentinels }),
      shown('redis://ann:s3cret@a:1,b:2'),
    ]) {
      expect(JSON.stringify(options)).not.toContain('s3cret');
      expect(options).toMatchObject({ username: 'ann', password: '***' });
    }
  });

  it('show who has a connection string of .NET what to write', () => {
    expect(refusalOf('redis:6379,abortConnect=false,password=secret,ssl=True,defaultDatabase=2,name=x').message).toBe(
      'This is a connection string of StackExchange.Redis. Write ' +
        "redisBackplane('redis:6379', { startWithoutRedis: true, password: '…', tls: true, db: 2 }); there is nothing for name.",
    );
  });

  it('that make no sense are refused, by name', () => {
    const refused: readonly (readonly [RedisBackplaneOptions, string])[] = [
      ...['', 'a b', 'a{b', 'a}b', 'a\u0000'].map((prefix) => [{ prefix }, 'prefix'] as const),
      ...['http://redis', 'redis://', 'redis://a/b', 'redis://a:b'].map((url) => [{ url }, 'url'] as const),
      [{ heartbeatIntervalMs: 0 }, 'heartbeatIntervalMs'],
      [{ redisTimeoutMs: Number.NaN }, 'redisTimeoutMs'],
      [{ sweepDelayMs: -1 }, 'sweepDelayMs'],
      [{ nodeTimeoutMs: 10_000 }, 'nodeTimeoutMs'],
      [{ onUnavailable: { bufferMs: 24_999 } }, 'onUnavailable'],
      [{ onUnavailable: { bufferBytes: 0 } }, 'onUnavailable'],
      [{ onUnavailable: 'wait' as 'reject' }, 'onUnavailable'],
    ];
    for (const [options, option] of refused) expect([options, refusalOf(options).details]).toEqual([options, { option }]);
    expect(shown({ prefix: 'Laden:Zürich*[a]?' }).prefix).toBe('Laden:Zürich*[a]?');
  });
});
