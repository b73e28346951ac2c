/**
 * Finds the programs that tests need beside Node, installs missing ones if that is allowed, or prints how to install them. Node built-ins
 * only.
 */
import { execFile, spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { addBackports } from './backports.mjs';
import { install } from './install.mjs';
import { denyServices, NO_SERVICES, restorePolicy } from './service-policy.mjs';

const isRoot = process.getuid?.() === 0;
const hasApt = existsSync('/usr/bin/apt-get');
const isUbuntu = existsSync('/etc/os-release') && /^ID=ubuntu$/m.test(readFileSync('/etc/os-release', 'utf8'));

/**
 * The programs. `apt` and `brew` are the names of packages; `otherwise` is the command that installs the program without one. `env` is an
 * environment variable with the path, which excludes all others. `paths` is searched before PATH. `probe` is the argument with which the
 * program is run as a test.
 */
const PROGRAMS = {
  chromium: {
    env: 'HUBLINE_CHROMIUM',
    paths: () => ['/usr/bin/chromium', ...playwrightsChromium()],
    apt: isUbuntu ? undefined : 'chromium', // Ubuntu's package is a stub that asks for a snap
    otherwise: 'npx playwright install chromium',
  },
  nginx: { env: 'HUBLINE_NGINX', apt: 'nginx-light', brew: 'nginx', probe: '-v' },
  'redis-server': { env: 'HUBLINE_REDIS_SERVER', apt: 'redis-server', brew: 'redis' },
  // A Debian release may have it in its backports only, which are added during the installation.
  'valkey-server': { env: 'HUBLINE_VALKEY_SERVER', apt: 'valkey-server', brew: 'valkey' },
  haproxy: { env: 'HUBLINE_HAPROXY', apt: 'haproxy', brew: 'haproxy', probe: '-v' },
};

/** Returns the path of the browser that Playwright downloaded, if any. Only Playwright's package knows the right version. */
function playwrightsChromium() {
  const caches = process.platform === 'darwin' ? 'Library/Caches' : '.cache';
  if (!existsSync(process.env.PLAYWRIGHT_BROWSERS_PATH ?? join(homedir(), caches, 'ms-playwright'))) return [];
  install();
  return [createRequire(import.meta.url)('playwright-core').chromium.executablePath()];
}

/**
 * Returns the paths of the programs by name. Installs missing programs with apt, if this process is root and HUBLINE_INSTALL is not 0.
 * Otherwise it prints the missing programs and the command that installs them, and exits.
 */
export async function programs(names = Object.keys(PROGRAMS)) {
  if (isRoot && hasApt) restorePolicy(); // an earlier run may have been killed while apt installed
  let found = await findAll(names);
  const packages = names.filter((name) => !found[name] && !isGivenByEnv(name)).flatMap((name) => PROGRAMS[name].apt ?? []);
  if (packages.length > 0 && isRoot && hasApt && process.env.HUBLINE_INSTALL !== '0') {
    installByApt(packages);
    found = await findAll(names);
  }
  const missing = names.filter((name) => !found[name]);
  if (missing.length === 0) return found;
  console.error(explain(missing));
  process.exit(1);
}

/** Returns Playwright's options for the Chromium that was found. Its sandbox does not work as root. It sends nothing to other machines. */
export async function chromiumLaunch() {
  const { chromium } = await programs(['chromium']);
  return { executablePath: chromium, chromiumSandbox: !isRoot, args: ['--disable-gpu', '--disable-background-networking'] };
}

const isGivenByEnv = (name) => Boolean(process.env[PROGRAMS[name].env]);

const findAll = async (names) => Object.fromEntries(await Promise.all(names.map(async (name) => [name, await find(name)])));

async function find(name) {
  const { env, paths = () => [], probe = '--version' } = PROGRAMS[name];
  // Debian installs servers in sbin, which PATH may lack.
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  const candidates = isGivenByEnv(name) ? [process.env[env]] : [...paths(), ...directories.map((directory) => join(directory, name))];
  for (const candidate of candidates) if (existsSync(candidate) && (await runs(candidate, probe))) return candidate;
  return undefined;
}

/** Whether the program can be run. */
const runs = (path, probe) => new Promise((resolve) => execFile(path, [probe], { timeout: 10_000 }, (error) => resolve(!error)));

function installByApt(packages) {
  const ignore = () => {}; // Ctrl-C ends apt-get, and this process still restores the policy
  console.log(`Installing with apt (HUBLINE_INSTALL=0 forbids it): ${packages.join(' ')}`);
  process.on('SIGINT', ignore);
  const restore = denyServices();
  try {
    aptGet('update');
    const [available, others] = [packages.filter(isAvailable), packages.filter((name) => !isAvailable(name))];
    if (available.length > 0) aptGet('install', '-y', '--no-install-recommends', ...available);
    if (others.length > 0) installFromBackports(others);
  } finally {
    restore();
    process.off('SIGINT', ignore);
  }
}

/** Whether apt's current sources have a package. */
function isAvailable(name) {
  const { stdout } = spawnSync('apt-cache', ['policy', name], { encoding: 'utf8', env: { ...process.env, LC_ALL: 'C' } });
  return /^\s*Candidate: (?!\(none\))/m.test(stdout ?? '');
}

function installFromBackports(packages) {
  const backports = addBackports();
  if (!backports) return;
  try {
    aptGet('update');
    aptGet('install', '-y', '--no-install-recommends', '-t', backports.suite, ...packages);
  } finally {
    backports.remove();
  }
}

function aptGet(...args) {
  const { status } = spawnSync('apt-get', ['-q', ...args], {
    stdio: ['ignore', 'ignore', 'inherit'],
    env: { ...process.env, ...NO_SERVICES, DEBIAN_FRONTEND: 'noninteractive' },
  });
  if (status !== 0) console.error(`apt-get ${args.join(' ')} failed.`);
}

function explain(missing) {
  const reason = (name) => (isGivenByEnv(name) ? `${PROGRAMS[name].env}=${process.env[PROGRAMS[name].env]} does not run` : 'not found');
  const system = hasApt ? 'apt' : 'brew';
  const rows = missing.map((name) => PROGRAMS[name]);
  const packages = rows.flatMap((row) => row[system] ?? []).join(' ');
  const apt = isRoot ? 'apt-get' : 'sudo apt-get';
  const commands = rows.filter((row) => !row[system]).map((row) => row.otherwise);
  if (packages) commands.unshift(hasApt ? `${apt} update && ${apt} install -y ${packages}` : `brew install ${packages}`);
  return [
    'Programs that the tests need are missing:',
    ...missing.map((name) => `  ${name}: ${reason(name)}`),
    `Install with: ${commands.join(' && ')}`,
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, path] of Object.entries(await programs())) console.log(`${name}: ${path}`);
}
