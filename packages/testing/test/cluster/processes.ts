import { execFileSync } from 'node:child_process';

/** Whether such a process is there. One that has ended and was not waited for by its parent is not. */
export function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    const state = execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
    return !state.trim().startsWith('Z');
  } catch {
    return false; // ps says so by its exit code
  }
}
