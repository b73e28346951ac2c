import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { denyServices, NO_SERVICES, restorePolicy } from '../service-policy.mjs';

const ORIGINAL = '#!/bin/sh\n[ "$1" = redis-server ] && exit 101\nexit 104\n';
const MODULE = fileURLToPath(new URL('../service-policy.mjs', import.meta.url));

let folder;
let policy;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'hubline-policy-'));
  policy = join(folder, 'policy-rc.d');
});
afterEach(() => rmSync(folder, { recursive: true }));

const writeOriginal = () => writeFileSync(policy, ORIGINAL, { mode: 0o755 });
/** The exit code of the policy: 101 denies an action, 104 allows it. */
const ask = (args, env = {}) => spawnSync(policy, args, { env: { ...process.env, ...env } }).status;

/** A process that has written the policy and runs until it is killed. */
async function startInstallation() {
  const code = `import { denyServices } from ${JSON.stringify(MODULE)};
    denyServices(${JSON.stringify(policy)});
    console.log('denied');
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ['--input-type=module', '--eval', code], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  return {
    async kill() {
      child.kill('SIGKILL');
      await once(child, 'exit');
    },
  };
}

describe('denyServices', () => {
  it('denyServices denies every service to the installation that carries its variable', () => {
    denyServices(policy);
    expect(ask(['redis-server', 'start'], NO_SERVICES)).toBe(101);
  });

  it('denyServices leaves the decision for other installations to the original policy', () => {
    writeOriginal();
    denyServices(policy);
    expect(ask(['redis-server', 'start'])).toBe(101);
    expect(ask(['nginx', 'start'])).toBe(104);
    expect(ask(['nginx', 'start'], NO_SERVICES)).toBe(101);
  });

  it('denyServices decides for other installations as Debian does if there was no policy', () => {
    denyServices(policy);
    expect(ask(['nginx', 'start'])).toBe(existsSync('/sbin/init') ? 104 : 101);
    expect(ask(['nginx', '(start)'])).toBe(101);
  });

  it('denyServices restores the original policy', () => {
    writeOriginal();
    denyServices(policy)();
    expect(readFileSync(policy, 'utf8')).toBe(ORIGINAL);
    expect(ask(['nginx', 'start'])).toBe(104);
    expect(readdirSync(folder)).toEqual(['policy-rc.d']);
  });

  it('denyServices restores an original policy that is a symbolic link', () => {
    symlinkSync('/bin/true', policy);
    denyServices(policy)();
    expect(readlinkSync(policy)).toBe('/bin/true');
  });

  it('denyServices removes its policy if there was none', () => {
    denyServices(policy)();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('denyServices keeps the original policy when an earlier run was killed', async () => {
    writeOriginal();
    await (await startInstallation()).kill();
    denyServices(policy)();
    expect(readFileSync(policy, 'utf8')).toBe(ORIGINAL);
  });
});

describe('restorePolicy', () => {
  it('restorePolicy restores the original policy after a run was killed', async () => {
    writeOriginal();
    const installation = await startInstallation();
    expect(readFileSync(policy, 'utf8')).not.toBe(ORIGINAL);
    await installation.kill();
    restorePolicy(policy);
    expect(readFileSync(policy, 'utf8')).toBe(ORIGINAL);
    expect(readdirSync(folder)).toEqual(['policy-rc.d']);
  });

  it('restorePolicy removes the policy of a killed run if there was no original', async () => {
    await (await startInstallation()).kill();
    restorePolicy(policy);
    expect(readdirSync(folder)).toEqual([]);
  });

  it('restorePolicy leaves the policy of a running installation alone', async () => {
    const installation = await startInstallation();
    restorePolicy(policy);
    expect(ask(['nginx', 'start'], NO_SERVICES)).toBe(101);
    await installation.kill();
  });

  it("restorePolicy leaves the administrator's policy alone", () => {
    writeOriginal();
    restorePolicy(policy);
    expect(readFileSync(policy, 'utf8')).toBe(ORIGINAL);
  });
});
