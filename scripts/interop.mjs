/**
 * `npm run interop`: tests client libraries, ours and others, in Node and in Chromium, and compares the tables in docs/interop.md with the
 * results. `npm run interop -- --write` writes the tables instead. Other arguments go to Vitest. Needs a build of our client.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { ROOT } from './install.mjs';
import { programs } from './programs.mjs';

export const DOCUMENT = `${ROOT}docs/interop.md`;
const REPORT_OPTION = '--outputFile.json=';
/** The title of a group names the tested combination: `@hubline/client 0.1.0, Chromium, ESM, WebSockets, json`. */
const GROUP = /^(\S+) (\S+), (.+), (\w+), (\w+)$/;
/** The title of a case that is expected to fail names the reason. */
const DIFFERENCE = /^does not: (.+?) \((.+)\)$/;

/** The order of the rows: Vitest reports files in no fixed order. */
const PLACES = ['Node', 'Chromium', 'Chromium, ESM', 'Chromium, script tag', 'Chromium, worker'];
const TRANSPORTS = ['WebSockets', 'ServerSentEvents', 'LongPolling', 'all'];
const byCombination = (one, other) =>
  one.peer.localeCompare(other.peer) ||
  PLACES.indexOf(one.where) - PLACES.indexOf(other.where) ||
  TRANSPORTS.indexOf(one.transport) - TRANSPORTS.indexOf(other.transport);

/** Returns the tables of the document by name, from a report of Vitest. */
export function tablesOf({ testResults }) {
  const combinations = new Map();
  const differences = new Map();
  for (const { ancestorTitles, title, status } of testResults.flatMap(({ assertionResults }) => assertionResults)) {
    const [group, peer, version, where, transport, protocol] = GROUP.exec(ancestorTitles[0] ?? '') ?? [];
    if (!group) continue;
    const combination = combinations.get(group) ?? { peer, version, where, transport, protocol, run: 0, passed: 0 };
    combinations.set(group, combination);
    combination.run++;
    const [difference, behaviour, why] = DIFFERENCE.exec(title) ?? [];
    if (status === 'passed' && !difference) combination.passed++;
    if (!difference) continue;
    const key = [peer, where, behaviour, why].join();
    if (!differences.has(key)) differences.set(key, { peer, where, transports: new Set(), behaviour, why });
    differences.get(key).transports.add(transport);
  }
  return {
    results: [
      ['Peer', 'Version', 'Where', 'Transport', 'Protocol', 'Cases run', 'Cases passed'],
      ['---', '---', '---', '---', '---', '--:', '--:'],
      ...[...combinations.values()].sort(byCombination).map((row) => Object.values(row)),
    ],
    differences: [
      ['Peer', 'Where', 'Transports', 'Case', 'Why not'],
      Array(5).fill('---'),
      ...[...differences.values()].sort(byCombination).map(({ transports, ...row }) => {
        const names = TRANSPORTS.filter((name) => transports.has(name)).join(', ');
        return [row.peer, row.where, names, row.behaviour, row.why];
      }),
    ],
  };
}

/** Returns the document with the tables of this command replaced by these. */
export async function withTables(text, tables, command = 'npm run interop') {
  let filled = text;
  for (const [name, rows] of Object.entries(tables)) {
    const place = new RegExp(`(<!-- ${name}, produced by ${command} -->\\n)[^]*?(\\n<!-- end -->)`);
    if (!place.test(filled)) throw new Error(`The document has no place for the table "${name}" of ${command}.`);
    const lines = rows.map((cells) => `| ${cells.join(' | ')} |`);
    filled = filled.replace(place, (_all, start, end) => `${start}\n${lines.join('\n')}\n${end}`);
  }
  return format(filled, { ...(await resolveConfig(DOCUMENT)), parser: 'markdown' });
}

/** Runs a project of Vitest, and compares the document's tables of this command with the result, or writes them. Returns an exit code. */
export async function runInterop({ project, command, args, hasTables = true }) {
  const given = args.find((arg) => arg.startsWith(REPORT_OPTION));
  const report = given?.slice(REPORT_OPTION.length) ?? `${ROOT}.hubline/logs/${project}.json`;
  mkdirSync(`${ROOT}.hubline/logs`, { recursive: true });
  await programs(['chromium']);
  const vitest = `${ROOT}node_modules/vitest/vitest.mjs`;
  const reporters = given ? [] : ['--reporter=default', '--reporter=json', `${REPORT_OPTION}${report}`];
  const options = args.filter((arg) => arg !== '--write');
  const { status } = spawnSync(process.execPath, [vitest, 'run', '--project', project, ...options, ...reporters], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0) return 1;
  if (!hasTables) return 0;
  const text = readFileSync(DOCUMENT, 'utf8');
  const fresh = await withTables(text, tablesOf(JSON.parse(readFileSync(report, 'utf8'))), command);
  if (fresh === text) return 0;
  if (args.includes('--write')) {
    writeFileSync(DOCUMENT, fresh);
    return 0;
  }
  console.error(`The tables in docs/interop.md are not what this run gives: ${command} -- --write`);
  return 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await runInterop({ project: 'interop', command: 'npm run interop', args: process.argv.slice(2) });
}
