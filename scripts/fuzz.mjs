/**
 * `npm run fuzz`: tests 100,000 malformed inputs, the same ones each time. `npm run fuzz -- --cases 1000000 --seed 7` tests more and other
 * ones. Other arguments go to Vitest: `-t 'json over'`.
 */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { install, ROOT } from './install.mjs';

const options = { cases: { type: 'string' }, seed: { type: 'string' } };
const { values, tokens } = parseArgs({ options, strict: false, tokens: true });
const ours = tokens.filter(({ kind, name }) => kind === 'option' && name in options);
const taken = new Set(ours.flatMap(({ index, inlineValue }) => (inlineValue ? [index] : [index, index + 1])));
const rest = process.argv.slice(2).filter((_arg, index) => !taken.has(index));

install();
const { status } = spawnSync(process.execPath, [`${ROOT}node_modules/vitest/vitest.mjs`, 'run', '--project', 'fuzz', ...rest], {
  cwd: ROOT,
  stdio: 'inherit',
  env: {
    ...process.env,
    ...(values.cases ? { HUBLINE_FUZZ_CASES: values.cases } : {}),
    ...(values.seed ? { HUBLINE_FUZZ_SEED: values.seed } : {}),
  },
});
process.exitCode = status ?? 1;
