/**
 * `npm run interop`: tries client libraries, ours and others, and compares the table in docs/interop.md with what came of it.
 * `npm run interop -- --write` writes the table instead. Other arguments are Vitest's.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { ROOT } from './install.mjs';

export const DOCUMENT = `${ROOT}docs/interop.md`;
const REPORT_OPTION = '--outputFile.json=';
const COLUMNS = ['Peer', 'Version', 'Where', 'Transport', 'Protocol', 'Cases run', 'Cases passed'];
/** A group of tests says in its title what was tried: `@microsoft/signalr 10.0.11, Node, WebSockets, json`. */
const TITLE = /^(\S+) (\S+), ([^,]+), ([^,]+), ([^,]+)$/;

/** Begins the title of a case that is expected to fail. */
const DIFFERENCE = 'does not: ';

/** Vitest runs files in an order of its own. */
const ORDER = ['WebSockets', 'ServerSentEvents', 'LongPolling', 'all'];
const byPeerAndTransport = ([peer, , , transport], [otherPeer, , , otherTransport]) =>
  peer.localeCompare(otherPeer) || ORDER.indexOf(transport) - ORDER.indexOf(otherTransport);

/** The rows of a report. */
export function rowsOf({ testResults }) {
  const rows = new Map();
  for (const { ancestorTitles, title, status } of testResults.flatMap(({ assertionResults }) => assertionResults)) {
    const what = TITLE.exec(ancestorTitles[0] ?? '');
    if (!what) continue;
    const row = rows.get(what[0]) ?? { what: what.slice(1), run: 0, passed: 0 };
    rows.set(what[0], row);
    row.run++;
    if (status === 'passed' && !title.startsWith(DIFFERENCE)) row.passed++;
  }
  return [...rows.values()].map(({ what, run, passed }) => [...what, run, passed]).sort(byPeerAndTransport);
}

/** The document with these rows in the place of those that it has. */
export async function withTable(text, rows) {
  const lines = [COLUMNS, COLUMNS.map((_name, at) => (at < 5 ? '---' : '--:')), ...rows].map((cells) => `| ${cells.join(' | ')} |`);
  const marked = /(<!-- produced by npm run interop -->\n)[^]*(\n<!-- end -->)/;
  if (!marked.test(text)) throw new Error('docs/interop.md has no place for the table.');
  const filled = text.replace(marked, (_all, start, end) => `${start}\n${lines.join('\n')}\n${end}`);
  return format(filled, { ...(await resolveConfig(DOCUMENT)), parser: 'markdown' });
}

async function run(args) {
  const given = args.find((arg) => arg.startsWith(REPORT_OPTION));
  const report = given?.slice(REPORT_OPTION.length) ?? `${ROOT}.hubline/logs/interop.json`;
  mkdirSync(`${ROOT}.hubline/logs`, { recursive: true });
  const vitest = `${ROOT}node_modules/vitest/vitest.mjs`;
  const reporters = given ? [] : ['--reporter=default', '--reporter=json', `${REPORT_OPTION}${report}`];
  const options = args.filter((arg) => arg !== '--write');
  const { status } = spawnSync(process.execPath, [vitest, 'run', '--project', 'interop', ...options, ...reporters], {
    cwd: ROOT,
    stdio: 'inherit',
  });
  if (status !== 0) return 1;
  const text = readFileSync(DOCUMENT, 'utf8');
  const fresh = await withTable(text, rowsOf(JSON.parse(readFileSync(report, 'utf8'))));
  if (fresh === text) return 0;
  if (args.includes('--write')) {
    writeFileSync(DOCUMENT, fresh);
    return 0;
  }
  console.error('The table in docs/interop.md is not what this run gives: npm run interop -- --write');
  return 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) process.exitCode = await run(process.argv.slice(2));
