import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { isAlive } from './processes.ts';

const WITHOUT_CLEANUP = fileURLToPath(new URL('./starter-without-cleanup.ts', import.meta.url));
const WITH_CLEANUP = fileURLToPath(new URL('./starter-with-cleanup.ts', import.meta.url));

/** Starts a process that starts a cluster and two Redis servers. Returns the ids of all processes and a folder. */
async function startWithoutCleanup(...args: readonly string[]) {
  const starter = spawn(process.execPath, [WITHOUT_CLEANUP, ...args], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
  const ended = once(starter, 'exit');
  const [line] = (await once(createInterface(starter.stdout), 'line')) as [string];
  const { pids, folder } = JSON.parse(line) as { pids: number[]; folder: string };
  expect(pids).toHaveLength(6);
  return { pid: starter.pid ?? 0, ended, pids, folder };
}

it('no process and no file is left when the starting process is killed, also no frozen node and no paused Redis', async () => {
  const { pid, ended, pids, folder } = await startWithoutCleanup();
  expect(pids.filter(isAlive)).toEqual(pids);
  expect(existsSync(folder)).toBe(true);
  process.kill(-pid, 'SIGKILL'); // its whole group, as a test runner does after a timeout
  await ended;
  await expect.poll(() => pids.filter(isAlive)).toEqual([]);
  await expect.poll(() => existsSync(folder)).toBe(false);
});

it('no process and no file is left when the starting process ends without cleaning up', async () => {
  const { ended, pids, folder } = await startWithoutCleanup('--end');
  await ended;
  await expect.poll(() => pids.filter(isAlive)).toEqual([]);
  await expect.poll(() => existsSync(folder)).toBe(false);
});

it('a process that has disposed of its programs ends without a call of exit', async () => {
  const starter = spawn(process.execPath, [WITH_CLEANUP], { stdio: 'inherit', timeout: 15_000, killSignal: 'SIGKILL' });
  expect(await once(starter, 'exit')).toEqual([0, null]);
});
