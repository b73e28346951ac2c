import { execFileSync } from 'node:child_process';

/** Whether a process runs. A zombie does not count. */
export function isAlive(pid: number | undefined): boolean {
  if (pid === undefined) return false;
  try {
    const state = execFileSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' });
    return !state.trim().startsWith('Z');
  } catch {
    return false; // ps exits with 1 if there is no such process
  }
}
