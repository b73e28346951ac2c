/** `npm run valkey`: runs the cluster tests on Valkey instead of Redis. Arguments go to Vitest. */
import { spawnSync } from 'node:child_process';
import { install } from './install.mjs';
import { programs } from './programs.mjs';

install();
const { 'valkey-server': valkey } = await programs(['valkey-server']);
const { status } = spawnSync('npx', ['vitest', 'run', '--project', 'cluster', ...process.argv.slice(2)], {
  stdio: 'inherit',
  env: { ...process.env, HUBLINE_REDIS_SERVER: valkey },
});
process.exit(status ?? 1);
