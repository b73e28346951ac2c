import { spawn } from 'node:child_process';
import { closeSync, existsSync, openSync, readFileSync, rmSync } from 'node:fs';
import { ROOT } from './install.mjs';

/**
 * Runs one suite of SUITES until it ends or exceeds its time limit. Writes its output to `<logs>/<name>.log`.
 * @returns the numbers of passed, failed and skipped tests, the duration, and `why` for a failure that is no failed test
 */
export async function runSuite({ name, command, limitSeconds, runner }, logs) {
  const log = `${logs}/${name}.log`;
  const report = `${logs}/${name}.json`;
  rmSync(report, { force: true });
  const startedAt = performance.now();
  const fault = await run([...command, ...(runner?.args(report) ?? [])], { log, limitSeconds, env: runner?.env?.(report) });
  return { ...outcomeOf(fault, runner, report), log, seconds: (performance.now() - startedAt) / 1000 };
}

/** Returns the outcome. A runner that ran no test, or that failed without a failed test, counts as one failure. */
function outcomeOf(fault, runner, report) {
  if (!runner) return fault ? { passed: 0, failed: 1, why: fault } : { passed: 1, failed: 0 };
  const counts = existsSync(report) ? countsIn(report, runner) : undefined;
  if (counts?.failed > 0) return counts;
  const why =
    fault ??
    (!counts ? 'no whole report'
    : counts.passed === 0 && !counts.skipped ? 'ran no test'
    : undefined);
  return why ? { passed: counts?.passed ?? 0, failed: 1, why } : counts;
}

/** Reads the numbers of tests from a report; undefined if the report is incomplete, because its runner was killed. */
function countsIn(report, runner) {
  try {
    return runner.count(JSON.parse(readFileSync(report, 'utf8')));
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

/** Runs a command. Resolves with the reason of its failure, or with undefined. */
function run([program, ...args], { log, limitSeconds, env }) {
  // Output goes to a file: a process that outlives the suite would keep a pipe open.
  const output = openSync(log, 'w');
  // A process group of its own, so that all processes of the suite can be killed together.
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
