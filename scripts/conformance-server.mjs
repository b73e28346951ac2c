/** `npm run conformance-server`: compiles changed sources and runs the conformance server in this process. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { clearInterval, setInterval } from 'node:timers';
import { install, ROOT } from './install.mjs';

const shell = process.ppid;
install();
const tsc = createRequire(`${ROOT}package.json`).resolve('typescript/bin/tsc');
// The output of the compiler goes to stderr: the first line of stdout is the URL of the server.
const { status } = spawnSync(process.execPath, [tsc, '-b', 'packages/testing'], {
  cwd: ROOT,
  stdio: ['ignore', process.stderr, 'inherit'],
});
if (status !== 0) process.exit(1);
await import('../packages/testing/dist/conformance-server/main.js');

// npm sends a SIGTERM to the shell that runs this process, and some shells end without forwarding it.
if (process.env.npm_lifecycle_event !== undefined) {
  const watch = setInterval(() => {
    if (process.ppid === shell) return;
    clearInterval(watch);
    process.kill(process.pid, 'SIGTERM');
  }, 200);
}
