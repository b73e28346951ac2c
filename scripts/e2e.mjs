/**
 * `npm run e2e` and `npm run e2e:mutations`: builds the packages, and runs the program of that name in packages/testing/e2e with the other
 * arguments.
 */
import { spawnSync } from 'node:child_process';
import { install, ROOT } from './install.mjs';

install();
const [program, ...args] = process.argv.slice(2);
run('npx', ['tsc', '-b', 'packages/testing', 'packages/client']);
run('npm', ['run', 'bundle', '-w', '@hubline/client', '--silent']);
run(process.execPath, ['--import', './scripts/typescript-loader.mjs', `packages/testing/e2e/${program}.ts`, ...args]);

function run(command, list) {
  const { status } = spawnSync(command, list, { cwd: ROOT, stdio: 'inherit' });
  if (status !== 0) process.exit(status ?? 1);
}
