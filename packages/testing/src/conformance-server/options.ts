import { parseArgs } from 'node:util';
import { redisBackplane, type RedisBackplaneOptions } from '@hubline/redis';
import type { ConformanceServerOptions } from './server.ts';

/**
 * Parses the command line `--port 5100 [--node-id a] [--redis URL] [--prefix P] [--backplane JSON]`. `--backplane` has further
 * options of `redisBackplane`. @throws Error if an argument is invalid
 */
export function optionsFrom(args: readonly string[]): ConformanceServerOptions {
  const text = { type: 'string' } as const;
  const { values } = parseArgs({
    args: [...args],
    options: { port: { ...text, default: '5100' }, 'node-id': text, redis: text, prefix: text, backplane: text },
  });
  const port = Number(values.port);
  if (!Number.isInteger(port) || port < 0 || port > 65_535)
    throw new Error(`--port must be a number from 0 to 65535, not "${values.port}".`);
  const { 'node-id': nodeId, redis, prefix, backplane } = values;
  return {
    port,
    ...(nodeId === undefined ? {} : { nodeId }),
    ...(redis === undefined ?
      {}
    : { backplane: redisBackplane(redis, { ...moreOptions(backplane), ...(prefix === undefined ? {} : { prefix }) }) }),
  };
}

function moreOptions(json = '{}'): RedisBackplaneOptions {
  try {
    return JSON.parse(json) as RedisBackplaneOptions;
  } catch (cause) {
    throw new Error(`--backplane is not JSON: ${json}`, { cause });
  }
}
