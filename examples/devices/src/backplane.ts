import { redisBackplane, type RedisBackplane } from '@hubline/redis';

/**
 * All programs of the cluster have the same prefix and times. A dead node is noticed within four seconds here, which suits
 * a demonstration; the default is twenty.
 */
export const backplaneAt = (redis: string, startWithoutRedis = true): RedisBackplane =>
  redisBackplane(redis, { prefix: 'devices-example', heartbeatIntervalMs: 1000, nodeTimeoutMs: 4000, startWithoutRedis });
