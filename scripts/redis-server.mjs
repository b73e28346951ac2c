/** Before tests that start Redis or Valkey: finds them, or installs them, or says what to do. */
import { programs } from './programs.mjs';

export async function setup() {
  const found = await programs(['redis-server', 'valkey-server']);
  process.env.HUBLINE_REDIS_SERVER = found['redis-server'];
  process.env.HUBLINE_VALKEY_SERVER = found['valkey-server'];
}
