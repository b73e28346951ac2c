/**
 * Installs the packages of package-lock.json by `npm ci`, unless node_modules has them already. Every npm script of the project starts
 * with it, so a fresh clone needs no other command. Node built-ins only.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));

/** npm's record of the installed packages. npm writes it last, so an interrupted installation leaves none. */
const RECORD = 'node_modules/.package-lock.json';

function isInstalled() {
  if (!existsSync(ROOT + RECORD)) return false;
  const installed = packagesIn(RECORD);
  return Object.entries(packagesIn('package-lock.json')).every(([path, { version, integrity, optional }]) => {
    if (!path.includes('node_modules/') || optional) return true; // a workspace; a package for another platform
    const found = installed[path];
    return found && found.version === version && found.integrity === integrity;
  });
}

const packagesIn = (lock) => JSON.parse(readFileSync(ROOT + lock, 'utf8')).packages;

export function install() {
  if (isInstalled()) return;
  console.log('Installing the packages of package-lock.json: npm ci');
  const { status, error } = spawnSync('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd: ROOT,
    stdio: ['ignore', 'inherit', 'inherit'],
    shell: process.platform === 'win32', // npm is a .cmd file there
  });
  if (status === 0) return;
  console.error(`npm ci failed${error ? `: ${error.message}` : ''}.`);
  process.exit(1);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) install();
