/** Global setup of tests that start Redis or Valkey: finds the programs, or installs them, or prints how to. */
import { programs } from './programs.mjs';

export async function setup() {
  const found = await programs(['redis-server', 'valkey-server']);
  process.env.HUBLINE_REDIS_SERVER = found['redis-server'];
  process.env.HUBLINE_VALKEY_SERVER = found['valkey-server'];
}
