/** `npm run e2e:mutations`: breaks one promise of the server after the other, and expects that the suite reports each. */
import { readFileSync } from 'node:fs';
import { MUTATIONS, type Mutation } from './mutations.ts';
import { runCells } from './runner.ts';
import type { CellResult } from './report.ts';

const RESULTS = new URL('../../../.hubline/e2e/results.json', import.meta.url);
const SEED = 1;

const wanted = process.argv.slice(2);
const chosen = MUTATIONS.filter(({ name }) => wanted.length === 0 || wanted.some((text) => name.includes(text)));
if (chosen.length === 0) throw new RangeError(`No mutation has one of these texts in its name: ${wanted.join(', ')}.`);
const lines = chosen.map(run);
for (const { isCaught, name, first } of lines) console.log(`${isCaught ? 'caught' : 'NOT CAUGHT'}: ${name}: ${first}`);
process.exitCode = lines.every(({ isCaught }) => isCaught) ? 0 : 1;

function run({ name, cell, caughtAs }: Mutation) {
  const { scenario, nodes, balancer, transport, fault } = cell;
  const selection = { scenario: [scenario], nodes: [nodes], balancer: [balancer], transport: [transport], fault: [fault] };
  console.log(`── ${name}`);
  runCells({ selection, seed: SEED, all: true, repeat: 1, mutation: name });
  const { results } = JSON.parse(readFileSync(RESULTS, 'utf8')) as { readonly results: readonly CellResult[] };
  const [first = 'no error'] = results.flatMap(({ errors }) => errors).map((error) => error.split('\n', 1)[0] ?? '');
  return { name, first, isCaught: caughtAs.some((kind) => first.includes(`${kind}: `)) };
}
