/**
 * `npm run bench [-- --quick | --full | --smoke] [--only name]`: measures all scenarios in interleaved repetitions, prints tables and
 * writes the numbers to results/. See README.md.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { parseArgs } from 'node:util';
import { measure } from './measure.mjs';
import { SCENARIOS, SIZES } from './scenarios.mjs';
import { table } from './report.mjs';

const { values: options } = parseArgs({
  options: {
    quick: { type: 'boolean', default: false },
    full: { type: 'boolean', default: false },
    smoke: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
  },
});
const sizeName = ['smoke', 'quick', 'full'].find((name) => options[name]) ?? 'default';
const size = SIZES[sizeName];
const scenarios = SCENARIOS.filter(({ name }) => name.includes(options.only));

const startedAt = new Date();
const results = Object.fromEntries(
  scenarios.map(({ name, subjects }) => [name, Object.fromEntries(subjects.map(({ kind }) => [kind, []]))]),
);

for (let repetition = 0; repetition < size.repetitions; repetition++) {
  for (const scenario of scenarios) {
    const { name, subjects } = scenario;
    for (let i = 0; i < subjects.length; i++) {
      const { kind } = subjects[(i + repetition) % subjects.length]; // the first subject changes
      results[name][kind].push(await measure(scenario, kind, size));
    }
  }
}

const node = process.version;
const versions = Object.fromEntries(['ws', 'socket.io', 'socket.io-client'].map((name) => [name, versionOf(name)]));
const seconds = Math.round((Date.now() - startedAt.getTime()) / 1000);
console.log(
  `${startedAt.toISOString().slice(0, 16)} · Node ${node} · ${JSON.stringify(versions)} · ${size.repetitions} repetitions · ${seconds} s\n`,
);
for (const scenario of scenarios) {
  console.log(`${table({ ...scenario, title: scenario.title.replace('RECEIVERS', String(size.receivers)) }, results[scenario.name])}\n`);
}

if (sizeName !== 'smoke' && options.only === '') {
  const folder = new URL('results/', import.meta.url);
  mkdirSync(folder, { recursive: true });
  const machine = { platform: process.platform, arch: process.arch, cpus: availableParallelism() };
  const file = `${startedAt.toISOString().slice(0, 10)}-node-${node.slice(1)}.json`;
  writeFileSync(new URL(file, folder), `${JSON.stringify({ at: startedAt, node, versions, machine, sizeName, size, results }, null, 1)}\n`);
  console.log(`The numbers: bench/results/${file}`);
}

function versionOf(name) {
  return JSON.parse(readFileSync(new URL(`../node_modules/${name}/package.json`, import.meta.url), 'utf8')).version;
}
