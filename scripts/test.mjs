/**
 * Runs suites one after the other. `npm test`: all of them. `npm run check`: those that need only Node (`--fast`).
 * `npm test -- unit build`: the named ones. The output of each suite is kept in `.hubline/logs`, and printed if the suite failed.
 * Lines of the output that begin with `note:`, such as versions and measured sizes, are always printed.
 * The last line is `N passed, N failed`, the sum over all suites.
 */
import { mkdirSync, readFileSync } from 'node:fs';
import { install, ROOT } from './install.mjs';
import { programs } from './programs.mjs';
import { runSuite } from './run-suite.mjs';
import { SUITES } from './suites.mjs';

/** Vitest may put escape codes for colours before a note. */
const NOTE = /^(?:\u001b\[\d+m)*note: (.*)$/gm;

const suites = chosen(process.argv.slice(2));
// Before the installation of packages, which takes longer, so that a missing program is reported at once.
if (!suites.every(({ fast }) => fast)) await programs();
install();

const logs = `${ROOT}.hubline/logs`;
mkdirSync(logs, { recursive: true });
console.log(`Node ${process.version}, ${process.platform} ${process.arch}`);
const total = { passed: 0, failed: 0, skipped: 0 };
for (const suite of suites) {
  process.stdout.write(`${suite.name.padEnd(14)}`);
  const { passed, failed, skipped = 0, why, seconds, log } = await runSuite(suite, logs);
  console.log(`${seconds.toFixed(1).padStart(6)} s   ${countsOf({ passed, failed, skipped })}${why ? `: ${why}` : ''}`);
  const output = readFileSync(log, 'utf8');
  if (failed > 0) console.log(output);
  for (const [, note] of output.matchAll(NOTE)) console.log(`${' '.repeat(14)}${note}`);
  total.passed += passed;
  total.failed += failed;
  total.skipped += skipped;
}
console.log(countsOf(total));
process.exitCode = total.failed > 0 ? 1 : 0;

function countsOf({ passed, failed, skipped }) {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`;
}

function chosen(names) {
  if (names.length === 0) return SUITES;
  if (names[0] === '--fast') return SUITES.filter(({ fast }) => fast);
  return names.map((name) => {
    const suite = SUITES.find((candidate) => candidate.name === name);
    if (suite) return suite;
    console.error(`There is no suite "${name}". There are: ${SUITES.map((known) => known.name).join(', ')}.`);
    process.exit(1);
  });
}
