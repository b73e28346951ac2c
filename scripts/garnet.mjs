/**
 * `npm run garnet`: runs the tests of the Redis backplane on Garnet, which it installs as a .NET tool into `.hubline/garnet`, and lists the
 * skipped tests with their reasons. Arguments go to Vitest. Without the .NET SDK all tests are skipped.
 */
import { spawnSync } from 'node:child_process';
import { dotnetSdk, NO_TEST } from './dotnet-sdk.mjs';
import { garnetServer, GARNET_VERSION } from './garnet-server.mjs';
import { install, ROOT } from './install.mjs';

/** A new process of .NET takes seconds on a busy machine. */
const TEST_TIMEOUT_MS = 60_000;

install();
const sdk = dotnetSdk();
const garnet = sdk && garnetServer();
if (sdk && !garnet) process.exit(1);
if (garnet) console.log(`note: Garnet ${GARNET_VERSION}`);
const args = ['--project', 'cluster', '--exclude', '**/valkey.test.ts', '--reporter=verbose', `--testTimeout=${TEST_TIMEOUT_MS}`];
const { status } = spawnSync(
  process.execPath,
  [`${ROOT}node_modules/vitest/vitest.mjs`, 'run', 'packages/redis', ...args, ...(garnet ? [] : NO_TEST), ...process.argv.slice(2)],
  { cwd: ROOT, stdio: 'inherit', env: { ...process.env, ...(garnet && { HUBLINE_REDIS_SERVER: garnet }) } },
);
process.exitCode = status ?? 1;
