export { redisBackplane, type RedisBackplane, type RedisBackplaneEvents } from './backplane.ts';
export {
  REQUIRED_SETTINGS,
  type ClientRole,
  type ClientSettings,
  type OnUnavailable,
  type RedisAddress,
  type RedisBackplaneOptions,
} from './options.ts';
