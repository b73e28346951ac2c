import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { ROOT } from './install.mjs';

/**
 * Runs one row of SUITES to its end or its time limit, with its output in `<logs>/<name>.log`.
 * @returns how many tests passed and failed, how long it took, and `why` where a failure is not one of the tests
 */
export async function runSuite({ name, command, limitSeconds, runner }, logs) {
  const log = `${logs}/${name}.log`;
  const report = `${logs}/${name}.json`;
  rmSync(report, { force: true });
  const startedAt = performance.now();
  const fault = await run([...command, ...(runner?.args(report) ?? [])], { log, limitSeconds, env: runner?.env?.(report) });
  return { ...judge(fault, runner, report), log, seconds: (performance.now() - startedAt) / 1000 };
}

/** No failure may look like a success: neither a runner that ran no test, nor one that failed beside its tests. */
function judge(fault, runner, report) {
  if (!runner) return fault ? { passed: 0, failed: 1, why: fault } : { passed: 1, failed: 0 };
  const counts = existsSync(report) ? countsIn(report, runner) : undefined;
  if (counts?.failed > 0) return counts;
  const why =
    fault ??
    (!counts ? 'no whole report'
    : counts.passed === 0 ? 'ran no test'
    : undefined);
  return why ? { passed: counts?.passed ?? 0, failed: 1, why } : counts;
}

/** Undefined where the runner was killed while it wrote. */
function countsIn(report, runner) {
  try {
    return runner.count(JSON.parse(readFileSync(report, 'utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Resolves with what went wrong, if anything did. */
function run([program, ...args], { log, limitSeconds, env }) {
  // Output goes to a file and not through a pipe, which a process that outlives its parent would hold open for ever.
  const output = openSync(log, 'w');
  // A group of its own, so that what the suite started ends with it.
  const child = spawn(program, args, { cwd: ROOT, env: { ...process.env, ...env }, stdio: ['ignore', output, output], detached: true });
  closeSync(output);
  const interrupted = () => {
    killGroup(child.pid);
    process.exit(130);
  };
  process.once('SIGINT', interrupted).once('SIGTERM', interrupted);
  return new Promise((resolve) => {
    let fault;
    const timer = setTimeout(() => {
      fault = `over its limit of ${limitSeconds} s`;
      killGroup(child.pid);
    }, limitSeconds * 1000);
    child.on('error', (error) => (fault = error.message));
    child.on('close', (code) => {
      clearTimeout(timer);
      process.off('SIGINT', interrupted).off('SIGTERM', interrupted);
      killGroup(child.pid);
      resolve(fault ?? (code === 0 ? undefined : `exit code ${code}`));
    });
  });
}

function killGroup(pid) {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    if (error.code !== 'ESRCH') throw error; // already gone
  }
}
