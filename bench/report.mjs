/**
 * `node bench/report.mjs [files in results/] [--write]`: prints tables and verdicts of results, by default of the newest file. Rows of later
 * files replace those of earlier ones. `--write` writes them into README.md, and the charts into charts/.
 */
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { chart } from './chart.mjs';
import { spread } from './numbers.mjs';
import { ROWS } from './rows.mjs';
import { SUBJECTS } from './subjects.mjs';
import { verdict } from './verdict.mjs';

const START = '<!-- written by `node bench/report.mjs --write` -->';
const END = '<!-- end of the written part -->';

/** Returns the title, the table and the verdicts of a row. `results` has the numbers of each repetition by subject, null if it failed. */
export function section(row, results, size) {
  const { subjects, columns, base, targets } = row;
  const numbersOf = (subject) => (results[subject] ?? []).filter((each) => each !== null);
  const lines = subjects.map((subject) => {
    const numbers = numbersOf(subject);
    const cells = Object.keys(columns).map((figure) => {
      const values = numbers.map((each) => each[figure]).filter((value) => Number.isFinite(value));
      return values.length > 0 ? spread(values) : 'not measured';
    });
    return `| ${[SUBJECTS[subject].label, ...(base ? [ratios(results, subject, base)] : []), ...cells].join(' | ')} |`;
  });
  const head = [
    '',
    ...(base ? [`ratio to ${SUBJECTS[base.to].label}: ${columns[base.figure].replace(/,.*/, '')}`] : []),
    ...Object.values(columns),
  ];
  const verdicts = targets.map((target) => verdict(row, target, results)).map(({ is, text }) => `- Target **${is}**: ${text}`);
  return [
    `### ${titleOf(row, size)}`,
    '',
    `| ${head.join(' | ')} |`,
    `|${'---|'.repeat(head.length)}`,
    ...lines,
    ...(verdicts.length > 0 ? ['', ...verdicts] : []),
  ].join('\n');
}

function ratios(results, subject, { to, figure }) {
  const values = (results[subject] ?? [])
    .map((each, i) => (each?.[figure] ?? NaN) / (results[to]?.[i]?.[figure] ?? NaN))
    .filter((value) => Number.isFinite(value));
  if (values.length === 0) return 'not measured';
  return spread(values, (ratio) => ratio.toFixed(2));
}

const titleOf = ({ title }, size) =>
  title.replace('RECEIVERS', size.receivers).replace('PER_NODE', size.perNode).replace('RETURNING', size.returning);

/** All targets in one table. */
export function overview(rows) {
  const lines = ROWS.flatMap((row) => row.targets.map((target) => ({ row, ...verdict(row, target, rows[row.name] ?? {}) })));
  const count = (is) => lines.filter((line) => line.is === is).length;
  return [
    `### Targets: ${count('met')} met, ${count('missed')} missed, ${count('not measured')} not measured`,
    '',
    '| row | target, and the median ratio or figure measured | |',
    '|---|---|---|',
    ...lines.map(({ row, is, text }) => `| \`${row.name}\` | ${text} | **${is}** |`),
  ].join('\n');
}

function heading({ at, node, versions, machine, size, seconds, commit }, file) {
  const list = Object.entries(versions).map(([name, version]) => `${name} ${version}`);
  const when = `Measured at ${at.slice(0, 16).replace('T', ', ')} UTC in ${Math.round(seconds / 60)} minutes, with ${size.repetitions} repetitions`;
  return `${when}: \`results/${file}\`. Commit ${commit}; ${machine.cpus} cores; Node ${node.slice(1)}. Versions: ${list.join(', ')}.`;
}

export function report(runs) {
  const rows = Object.assign({}, ...runs.map(({ run }) => run.rows));
  const { size } = runs.at(-1).run;
  const failures = runs.flatMap(({ run }) => run.failures);
  const measured = ROWS.filter(({ name }) => rows[name]);
  return {
    measured: measured.map((row) => ({ row, title: titleOf(row, size), results: rows[row.name] })),
    text: (after) =>
      [
        ...runs.map(({ run, file }) => heading(run, file)),
        ...(failures.length > 0 ?
          [`Failed measurements: ${failures.map(({ row, subject, error }) => `${row}, ${subject}: ${error}`).join('; ')}`]
        : []),
        overview(rows),
        ...measured.map((row) => section(row, rows[row.name], size) + after({ ...row, title: titleOf(row, size) })),
      ].join('\n\n'),
  };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values, positionals } = parseArgs({ options: { write: { type: 'boolean', default: false } }, allowPositionals: true });
  const folder = new URL('results/', import.meta.url);
  const files = positionals.length > 0 ? positionals.map((path) => basename(path)) : [newest(folder)];
  const { text, measured } = report(files.map((file) => ({ file, run: JSON.parse(readFileSync(new URL(file, folder), 'utf8')) })));
  if (values.write) {
    const charts = new URL('charts/', import.meta.url);
    mkdirSync(charts, { recursive: true });
    for (const { row, title, results } of measured) writeFileSync(new URL(`${row.name}.svg`, charts), chart(row, title, results));
    const readme = new URL('README.md', import.meta.url);
    const [before, rest] = readFileSync(readme, 'utf8').split(START);
    const [, after] = rest.split(END);
    writeFileSync(readme, `${before}${START}\n\n${text(({ name, title }) => `\n\n![${title}](charts/${name}.svg)`)}\n\n${END}${after}`);
  } else {
    console.log(text(() => ''));
  }
}

/** The last file by name: names begin with the date, and the file of a run with `--only` sorts before the one of a whole run. */
function newest(folder) {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .toSorted()
    .at(-1);
}
