import { redisBackplane, type RedisBackplane } from '@hubline/redis';

/**
 * Creates the backplane. All programs of the cluster must use the same prefix and times. A dead node is detected within four seconds; the
 * default is twenty.
 */
export const backplaneAt = (redis: string, startWithoutRedis = true): RedisBackplane =>
  redisBackplane(redis, { prefix: 'devices-example', heartbeatIntervalMs: 1000, nodeTimeoutMs: 4000, startWithoutRedis });
