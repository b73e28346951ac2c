/** Before tests that start Redis: finds it, or installs it, or says what to do. */
import { programs } from './programs.mjs';

export async function setup() {
  process.env.HUBLINE_REDIS_SERVER = (await programs(['redis-server']))['redis-server'];
}
