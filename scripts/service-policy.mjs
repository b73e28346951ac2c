/**
 * Stops Debian from starting the servers that apt installs: they would take ports that other programs use. Debian asks
 * `/usr/sbin/policy-rc.d` before it starts a service, and neither apt nor dpkg has an option instead. The file written here denies
 * only the installation that carries HUBLINE_NO_SERVICES, so it changes nothing for others if this process is killed. The next run
 * then puts the original back. Node built-ins only.
 */
import { existsSync, linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';

const POLICY = '/usr/sbin/policy-rc.d';

/** The environment of an installation that starts no services. */
export const NO_SERVICES = { HUBLINE_NO_SERVICES: '1' };

const OWNER = /^# Hubline's tests wrote this file\. Process: (\d+)$/m;
const savedAt = (path) => `${path}.before-hubline`;

/** Denies as Debian does without a policy: actions in parentheses, which the runlevel excludes, and everything without an init. */
const policyOf = (pid, saved) => `#!/bin/sh
# Hubline's tests wrote this file. Process: ${pid}
[ -z "$HUBLINE_NO_SERVICES" ] || exit 101
[ ! -x '${saved}' ] || exec '${saved}' "$@"
case "$*" in *'('*) exit 101 ;; esac
[ -e /sbin/init ] || exit 101
exit 104
`;

/** Writes the policy, and keeps the original beside it. Returns a function that puts the original back. */
export function denyServices(path = POLICY) {
  const saved = savedAt(path);
  if (ownerOf(path) === undefined) {
    rmSync(saved, { force: true });
    if (existsSync(path)) linkSync(path, saved); // a link to a symbolic link of update-alternatives, and not to its target
  }
  const fresh = `${path}.hubline`;
  writeFileSync(fresh, policyOf(process.pid, saved), { mode: 0o755 });
  renameSync(fresh, path); // a kill leaves the original or the whole new file
  return () => restorePolicy(path);
}

/** Puts the original back if the policy is one of ours whose process has ended, or is this process. */
export function restorePolicy(path = POLICY) {
  const owner = ownerOf(path);
  if (owner === undefined || (owner !== process.pid && isAlive(owner))) return;
  if (existsSync(savedAt(path))) renameSync(savedAt(path), path);
  else rmSync(path);
}

/** The process that wrote the policy; undefined if the policy is missing or not ours. */
function ownerOf(path) {
  const [, pid] = (existsSync(path) && OWNER.exec(readFileSync(path, 'utf8'))) || [];
  return pid && Number(pid);
}

function isAlive(pid) {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    return error.code !== 'ESRCH';
  }
}
