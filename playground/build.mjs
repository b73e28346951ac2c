/** Builds the playground: the packages, the program of the nodes, the bundle for script tags and the page. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as buildPage } from 'vite';

const HERE = dirname(fileURLToPath(import.meta.url));
const CLIENT = join(HERE, '../packages/client');
const { resolve } = createRequire(import.meta.url);

/** Compiles the packages and builds the client's bundles. Fast if nothing changed. */
export function buildPackages() {
  run('typescript/bin/tsc', ['-b', HERE, CLIENT], HERE);
  run('rollup/dist/bin/rollup', ['-c', '--silent'], CLIENT);
}

/** Compiles the test kit, which starts a Redis for `--redis` without a URL and for tests. */
export function buildTestKit() {
  run('typescript/bin/tsc', ['-b', join(HERE, '../packages/testing')], HERE);
}

export async function build() {
  buildPackages();
  await buildPage({ root: HERE, configFile: join(HERE, 'vite.config.mjs'), logLevel: 'warn' });
}

function run(program, args, cwd) {
  const [name] = program.split('/', 1);
  const file = join(dirname(resolve(`${name}/package.json`)), program.slice(name.length));
  const { status } = spawnSync(process.execPath, [file, ...args], { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1); // the program has printed its errors
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await build();
  buildTestKit();
}
