/**
 * Installs npm packages that only some tests use. Each set is installed once, into a folder of its own outside the workspaces, to keep
 * `npm ci` and `npm start` fast. Node built-ins only.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from './install.mjs';

/** The name of a file that is written last, so an interrupted installation has none. */
const DONE = 'installed';

/** Returns the folder whose `node_modules` has these packages: `tools({ pnpm: "10.34.9" })`. */
export function tools(dependencies) {
  const key = createHash('sha256').update(JSON.stringify(dependencies)).digest('hex').slice(0, 12);
  const folder = join(ROOT, '.hubline', 'tools', `${Object.keys(dependencies)[0].replaceAll(/\W+/g, '-')}-${key}`);
  if (existsSync(join(folder, DONE))) return folder;
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  npm(['install'], folder);
  writeFileSync(join(folder, DONE), '');
  return folder;
}

/** Runs an npm command and returns its standard output. @throws Error with the output of npm */
export function npm(args, cwd) {
  const { status, stdout, stderr, error } = spawnSync('npm', [...args, '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error'], {
    cwd,
    encoding: 'utf8',
    shell: process.platform === 'win32', // npm is a .cmd file there
  });
  if (status === 0) return stdout;
  throw new Error(`npm ${args.join(' ')} failed in ${cwd}: ${error?.message ?? stderr + stdout}`);
}

/** Returns the path of another version of Node: `nodeProgram("24.21.0")`. */
export const nodeProgram = (version) => join(tools({ node: version }), 'node_modules', 'node', 'bin', 'node');
