import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it, vi } from 'vitest';
import { runSuite } from '../run-suite.mjs';

/** Runs a suite whose command is JavaScript code. With `counted` the code gets the path of its report as an argument. */
async function run(code, { limitSeconds = 20, counted = false } = {}) {
  const logs = mkdtempSync(join(tmpdir(), 'hubline-suite-'));
  const runner = counted ? { args: (report) => [report], count: (report) => report } : undefined;
  try {
    const { log, seconds, ...outcome } = await runSuite(
      { name: 'suite', command: [process.execPath, '-e', code], limitSeconds, runner },
      logs,
    );
    return { outcome, seconds, output: readFileSync(log, 'utf8') };
  } finally {
    rmSync(logs, { recursive: true });
  }
}
const reports = (counts, exitCode = 0) =>
  run(`fs.writeFileSync(process.argv[1], '${JSON.stringify(counts)}'); process.exitCode = ${exitCode}`, { counted: true });

it('runSuite counts a suite without a runner as one test', async () => {
  expect((await run('')).outcome).toEqual({ passed: 1, failed: 0 });
  expect((await run('process.exit(3)')).outcome).toEqual({ passed: 0, failed: 1, why: 'exit code 3' });
});

it('runSuite counts the tests of a report', async () => {
  expect((await reports({ passed: 5, failed: 0 })).outcome).toEqual({ passed: 5, failed: 0 });
  expect((await reports({ passed: 5, failed: 2 }, 1)).outcome).toEqual({ passed: 5, failed: 2 });
});

it('runSuite fails if the runner failed without a failed test, ran no test, or wrote no report', async () => {
  expect((await reports({ passed: 5, failed: 0 }, 1)).outcome).toEqual({ passed: 5, failed: 1, why: 'exit code 1' });
  expect((await reports({ passed: 0, failed: 0 })).outcome).toEqual({ passed: 0, failed: 1, why: 'ran no test' });
  expect((await run('', { counted: true })).outcome).toEqual({ passed: 0, failed: 1, why: 'no whole report' });
  expect((await run(`fs.writeFileSync(process.argv[1], '{"pass')`, { counted: true })).outcome).toMatchObject({ why: 'no whole report' });
  expect((await run('process.exit(1)', { counted: true })).outcome).toEqual({ passed: 0, failed: 1, why: 'exit code 1' });
});

it('runSuite keeps the output, and closes the standard input', async () => {
  const { output } = await run(`process.stdin.on('end', () => console.log('no input')).resume(); console.error('a fault')`);
  expect(output).toContain('a fault');
  expect(output).toContain('no input');
});

it('runSuite kills a suite and its processes after its time limit', async () => {
  const code = `console.log(require('child_process').spawn('sleep', ['600'], { stdio: 'inherit' }).pid); setInterval(() => {}, 1000)`;
  const { outcome, seconds, output } = await run(code, { limitSeconds: 3 });
  expect(outcome).toEqual({ passed: 0, failed: 1, why: 'over its limit of 3 s' });
  expect(seconds).toBeLessThan(20);
  await vi.waitFor(() => expect(isAlive(Number(output))).toBe(false));
});

function isAlive(pid) {
  // A killed process is listed until its parent reaps it.
  return existsSync(`/proc/${pid}/stat`) && readFileSync(`/proc/${pid}/stat`, 'utf8').split(' ')[2] !== 'Z';
}
