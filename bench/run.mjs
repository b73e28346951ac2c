/**
 * `npm run bench [-- --quick | --full | --smoke] [--only name,name] [--minutes 25]`: measures rows in interleaved repetitions, prints tables
 * and writes the numbers to results/ after each measurement. See README.md.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { programs } from '../scripts/programs.mjs';
import { buildDotnet } from './dotnet.mjs';
import { report } from './report.mjs';
import { ROWS, SIZES } from './rows.mjs';
import { Sandbox } from './sandbox.mjs';
import { SUBJECTS } from './subjects.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    only: { type: 'string' },
    minutes: { type: 'string', default: '1000' },
  },
});
const sizeName = ['smoke', 'quick', 'full'].find((name) => options[name]) ?? 'default';
const size = SIZES[sizeName];
const rows = options.only === undefined ? ROWS : options.only.split(',').map(rowNamed);
const startedAt = new Date();
const run = {
  at: startedAt.toISOString(),
  commit: execFileSync('git', ['rev-parse', '--short', 'HEAD'], { encoding: 'utf8' }).trim(),
  node: process.version,
  versions: {},
  machine: { platform: process.platform, arch: process.arch, cpus: availableParallelism() },
  sizeName,
  size,
  seconds: 0,
  failures: [],
  rows: Object.fromEntries(rows.map(({ name, subjects }) => [name, Object.fromEntries(subjects.map((subject) => [subject, []]))])),
};
const file = `${run.at.slice(0, 10)}-node-${run.node.slice(1)}${options.only === undefined ? '' : `-${rows[0].name}`}.json`;

process.env.HUBLINE_REDIS_SERVER = (await programs(['redis-server']))['redis-server'];
const missing = prepareDotnet();
run.versions = versions();
measuring: for (let repetition = 0; repetition < size.repetitions; repetition++) {
  for (const row of rows) {
    const subjects = row.subjects.filter((subject) => missing === undefined || SUBJECTS[subject].server !== 'dotnet');
    for (let i = 0; i < subjects.length; i++) {
      const subject = subjects[(i + repetition) % subjects.length]; // the first subject changes
      if (Date.now() - startedAt.getTime() > Number(options.minutes) * 60_000) break measuring;
      run.rows[row.name][subject][repetition] = await measured(row, subject);
      run.seconds = Math.round((Date.now() - startedAt.getTime()) / 1000);
      save();
    }
  }
}
console.log(`${report([{ run, file }]).text(() => '')}\n`);
if (sizeName !== 'smoke') console.log(`The numbers: bench/results/${file}`);
if (run.failures.length > 0) process.exitCode = 1;

/** A measurement that fails is reported, and the others go on. */
async function measured(row, subject) {
  const before = performance.now();
  try {
    const numbers = await Sandbox.run((sandbox) => row.measure(sandbox, subject, { ...row, size }));
    console.error(`${row.name}, ${subject}: ${((performance.now() - before) / 1000).toFixed(1)} s`);
    return numbers;
  } catch (error) {
    console.error(`${row.name}, ${subject}: failed:`, error);
    run.failures.push({ row: row.name, subject, error: error.message });
    return null;
  }
}

function save() {
  if (sizeName === 'smoke') return;
  const folder = new URL('results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  writeFileSync(new URL(file, folder), `${JSON.stringify(run, null, 1)}\n`);
}

/** Builds the C# server if a row needs it. Returns the error without an SDK: its subjects are then not measured. */
function prepareDotnet() {
  if (!rows.some(({ subjects }) => subjects.some((subject) => SUBJECTS[subject].server === 'dotnet'))) return undefined;
  try {
    buildDotnet();
    return undefined;
  } catch (error) {
    console.error(`note: ASP.NET Core is not measured: ${error.message}`);
    return error;
  }
}

function rowNamed(name) {
  const row = ROWS.find((each) => each.name === name);
  if (!row) throw new Error(`There is no row '${name}'. The rows: ${ROWS.map((each) => each.name).join(', ')}`);
  return row;
}

function versions() {
  const packages = ['ws', 'socket.io', 'socket.io-client', '@socket.io/redis-adapter', '@microsoft/signalr'];
  const found = Object.fromEntries(packages.map((name) => [name, versionOf(name)]));
  const redis = execFileSync(process.env.HUBLINE_REDIS_SERVER, ['--version'], { encoding: 'utf8' });
  found.Redis = /v=(\S+)/.exec(redis)[1];
  if (missing === undefined) found['.NET SDK'] = execFileSync('dotnet', ['--version'], { encoding: 'utf8' }).trim();
  return found;
}

function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
}
