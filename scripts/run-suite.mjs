import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { ROOT } from './install.mjs';

/**
 * Runs one suite to its end, or to its time limit, with its output in `<logs>/<name>.log`.
 * @returns how many tests passed and failed, how long it took, and `why` it failed where the counts alone do not say it
 */
export async function runSuite({ name, script, limitSeconds, runner }, logs) {
  const log = `${logs}/${name}.log`;
  const report = `${logs}/${name}.json`;
  rmSync(report, { force: true });
  const startedAt = performance.now();
  const ended = await runScript(['run', ...script, '--', ...(runner?.args(report) ?? [])], {
    log,
    limitSeconds,
    env: runner?.env?.(report),
  });
  return { ...judge(ended, runner, report), log, seconds: (performance.now() - startedAt) / 1000 };
}

/** No failure may look like a success: neither a runner that counted none, nor one that failed beside its tests. */
function judge(ended, runner, report) {
  if (!runner) return ended.ok ? { passed: 1, failed: 0 } : { passed: 0, failed: 1, why: ended.why };
  if (!existsSync(report)) return { passed: 0, failed: 1, why: ended.why ?? 'no report' };
  const { passed, failed } = runner.count(JSON.parse(readFileSync(report, 'utf8')));
  if (passed + failed === 0) return { passed, failed: 1, why: 'ran no test' };
  if (!ended.ok && failed === 0) return { passed, failed: 1, why: ended.why };
  return { passed, failed };
}

function runScript(args, { log, limitSeconds, env }) {
  // Output goes to a file and not through a pipe: a process that outlives its parent would hold a pipe open for ever.
  const output = openSync(log, 'w');
  // A group of its own, so that what the suite started ends with it.
  const child = spawn('npm', args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', output, output], detached: true });
  closeSync(output);
  const kill = () => killGroup(child.pid);
  const interrupted = () => {
    kill();
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  return new Promise((resolve) => {
    let why;
    const timer = setTimeout(() => {
      why = `over its limit of ${limitSeconds} s`;
      kill();
    }, limitSeconds * 1000);
    child.on('error', (error) => (why = error.message));
    child.on('close', (code) => {
      clearTimeout(timer);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      kill();
      resolve({ ok: code === 0 && !why, why: why ?? `exit code ${code}` });
    });
  });
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error; // gone already, which is what we want
  }
}
