/**
 * Runs the unit tests on another version of Node than this one: the newest that is supported, or the oldest. That Node is installed
 * outside the workspaces, so that other npm scripts do not use it. Arguments go to Vitest.
 */
import { spawnSync } from 'node:child_process';
import { dirname, delimiter, join } from 'node:path';
import { install, ROOT } from './install.mjs';
import { nodeProgram } from './tools.mjs';

const OLDEST = '20.19.0';
const NEWEST = '24.21.0';

install();
const isNewest = Number(process.versions.node.split('.')[0]) >= Number(NEWEST.split('.')[0]);
const node = nodeProgram(isNewest ? OLDEST : NEWEST);
const PATH = [dirname(node), process.env.PATH].join(delimiter); // for the processes that tests start
const vitest = join(ROOT, 'node_modules/vitest/vitest.mjs');
const tests = ['packages/protocol', 'packages/client', 'packages/server'];
const run = (args) => spawnSync(node, args, { cwd: ROOT, stdio: 'inherit', env: { ...process.env, PATH } }).status ?? 1;
run(['--eval', 'console.log(`note: Node ${process.version}`)']);
process.exitCode = run([vitest, 'run', '--project', 'unit', ...tests, ...process.argv.slice(2)]);
