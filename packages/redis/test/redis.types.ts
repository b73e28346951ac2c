/** Options of the backplane that must compile, and others that must not. `tsc` checks this file: a missing expected error is an error. */
import { redisBackplane, type RedisBackplaneOptions } from '@hubline/redis';

// Options from the environment, which are undefined if a variable is not set.
void redisBackplane(process.env.REDIS_URL, { prefix: process.env.REDIS_PREFIX, password: process.env.REDIS_PASSWORD });
void redisBackplane({ url: process.env.REDIS_URL, db: undefined, heartbeatIntervalMs: undefined });
/** Every option, undefined. */
const unset: { readonly [K in keyof RedisBackplaneOptions]-?: undefined } = {} as never;
void redisBackplane(unset);
void redisBackplane({
  onUnavailable: { bufferMs: undefined },
  sentinels: { name: 'main', nodes: [], password: process.env.REDIS_PASSWORD },
});
// @ts-expect-error a duration is a number
void redisBackplane({ repairMs: '5' });
