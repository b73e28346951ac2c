/** `npm run conformance-server`: builds what has changed, and runs it in this process. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { clearInterval, setInterval } from 'node:timers';
import { install, ROOT } from './install.mjs';

const shell = process.ppid;
install();
const tsc = createRequire(`${ROOT}package.json`).resolve('typescript/bin/tsc');
// The first line of its output belongs to the server: what the compiler says goes beside it.
const { status } = spawnSync(process.execPath, [tsc, '-b', 'packages/testing'], {
  cwd: ROOT,
  stdio: ['ignore', process.stderr, 'inherit'],
});
if (status !== 0) process.exit(1);
await import('../packages/testing/dist/conformance-server/main.js');

// npm hands a SIGTERM to the shell that it started us with, and many a shell ends without passing it on.
if (process.env.npm_lifecycle_event !== undefined) {
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 200);
}
