/** Builds what the playground runs: the packages, the nodes' program, the script-tag bundle and the page. */
import { spawnSync } from 'node:child_process';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as buildPage } from 'vite';

const HERE = dirname(fileURLToPath(import.meta.url));
const { resolve } = createRequire(import.meta.url);

/** The programs of the packages, bundle included; quick where nothing has changed. */
export function buildPackages() {
  run(join(dirname(resolve('typescript/package.json')), 'bin/tsc'), ['-b', HERE], HERE);
  run(join(dirname(resolve('typescript/package.json')), 'bin/tsc'), ['-b', '.'], join(HERE, '../packages/client'));
  run(join(dirname(resolve('rollup/package.json')), 'dist/bin/rollup'), ['-c', '--silent'], join(HERE, '../packages/client'));
}

export async function build() {
  buildPackages();
  await buildPage({ root: HERE, configFile: join(HERE, 'vite.config.mjs'), logLevel: 'warn' });
}

function run(program, args, cwd) {
  const { status } = spawnSync(process.execPath, [program, ...args], { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  if (status !== 0) process.exit(status ?? 1); // it has said why
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await build();
