/**
 * The programs that tests need beside Node: finds each one, or installs it, or says what is missing and how to get it.
 * Node built-ins only.
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
 * One row per program, `{}` at the least. `apt` and `brew` name its packages; where there is none, `otherwise` is the
 * command. `env` is a variable that decides alone, `paths` is searched before PATH, `probe` proves that it runs.
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
  // Debian has it in backports at first, which are added for the installation.
  'valkey-server': { env: 'HUBLINE_VALKEY_SERVER', apt: 'valkey-server', brew: 'valkey' },
  haproxy: { env: 'HUBLINE_HAPROXY', apt: 'haproxy', brew: 'haproxy', probe: '-v' },
};

/** The browser that Playwright downloaded, if it ever did. Only its package knows which one fits. */
function playwrightsChromium() {
  const caches = process.platform === 'darwin' ? 'Library/Caches' : '.cache';
  if (!existsSync(process.env.PLAYWRIGHT_BROWSERS_PATH ?? join(homedir(), caches, 'ms-playwright'))) return [];
  install();
  return [createRequire(import.meta.url)('playwright-core').chromium.executablePath()];
}

/**
 * The paths of the programs by name. What is missing it installs where it may: as root with apt, unless
 * HUBLINE_INSTALL=0. Otherwise it prints everything that is missing and the one command for this system, and exits.
 */
export async function programs(names = Object.keys(PROGRAMS)) {
  if (isRoot && hasApt) restorePolicy(); // an earlier run may have been killed while apt installed
  let found = await findAll(names);
  const packages = names.filter((name) => !found[name] && !isDecided(name)).flatMap((name) => PROGRAMS[name].apt ?? []);
  if (packages.length > 0 && isRoot && hasApt && process.env.HUBLINE_INSTALL !== '0') {
    installByApt(packages);
    found = await findAll(names);
  }
  const missing = names.filter((name) => !found[name]);
  if (missing.length === 0) return found;
  console.error(explain(missing));
  process.exit(1);
}

/** How Playwright starts the Chromium that was found, which refuses to run as root in its sandbox. Nothing leaves this machine. */
export async function chromiumLaunch() {
  const { chromium } = await programs(['chromium']);
  return { executablePath: chromium, chromiumSandbox: !isRoot, args: ['--disable-gpu', '--disable-background-networking'] };
}

const isDecided = (name) => Boolean(process.env[PROGRAMS[name].env]);

const findAll = async (names) => Object.fromEntries(await Promise.all(names.map(async (name) => [name, await find(name)])));

async function find(name) {
  const { env, paths = () => [], probe = '--version' } = PROGRAMS[name];
  // Debian has servers in sbin, which is not in everybody's PATH.
  const directories = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/usr/local/sbin'];
  const candidates = isDecided(name) ? [process.env[env]] : [...paths(), ...directories.map((directory) => join(directory, name))];
  for (const candidate of candidates) if (existsSync(candidate) && (await runs(candidate, probe))) return candidate;
  return undefined;
}

/** There is a file, but is it a program? */
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

/** Whether apt can install a package from the sources that it has. */
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
  const why = (name) => (isDecided(name) ? `${PROGRAMS[name].env}=${process.env[PROGRAMS[name].env]} does not run` : 'not found');
  const system = hasApt ? 'apt' : 'brew';
  const rows = missing.map((name) => PROGRAMS[name]);
  const packages = rows.flatMap((row) => row[system] ?? []).join(' ');
  const apt = isRoot ? 'apt-get' : 'sudo apt-get';
  const commands = rows.filter((row) => !row[system]).map((row) => row.otherwise);
  if (packages) commands.unshift(hasApt ? `${apt} update && ${apt} install -y ${packages}` : `brew install ${packages}`);
  return [
    'Programs that the tests need are missing:',
    ...missing.map((name) => `  ${name}: ${why(name)}`),
    `Install with: ${commands.join(' && ')}`,
  ].join('\n');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const [name, path] of Object.entries(await programs())) console.log(`${name}: ${path}`);
}
