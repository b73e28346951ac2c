/** The runtimes of docs/guides/runtimes.md, with the versions that the tests install. */
export const RUNTIMES = {
  'Node 20': { version: '20.19.0' },
  'Node 22': { version: '22.12.0' },
  'Node 24': { version: '24.21.0' },
  Bun: { version: '1.4.5' },
  Deno: { version: '2.9.6' },
  workerd: { version: '1.20261117.1', compatibilityDate: '2026-10-01' },
  'workerd as in 2024': { version: '1.20261117.1', compatibilityDate: '2024-01-01' },
  Chromium: {},
};

const TRANSPORTS = ['WebSockets', 'server-sent events', 'long polling'];
const PROTOCOLS = ['JSON', 'MessagePack'];
/** Server-sent events carry text only. */
const IMPOSSIBLE = ['server-sent events, MessagePack'];
export const CASES = TRANSPORTS.flatMap((transport) => PROTOCOLS.map((protocol) => `${transport}, ${protocol}`)).filter(
  (name) => !IMPOSSIBLE.includes(name),
);

/** Known failures: the step that fails, by side, runtime and case. The tests run these cases too. */
export const DIFFERENCES = { client: {}, server: {} };

/** Returns the table of outcomes, with a row for each runtime and side and a column for each case. */
export function tableOf(outcomes) {
  const rows = ['client', 'server'].flatMap((side) =>
    Object.entries(outcomes[side]).map(([runtime, found]) => [
      `${runtime}${RUNTIMES[runtime].version ? ` (${RUNTIMES[runtime].version})` : ''}`,
      side,
      ...CASES.map((name) => (found[name] === 'ok' ? 'yes' : 'no')),
    ]),
  );
  const all = [['Runtime', 'Side', ...CASES], ...rows];
  const widths = all[0].map((_cell, column) => Math.max(...all.map((row) => row[column].length)));
  const line = (cells) => `| ${cells.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(all[0]), `| ${widths.map((width) => '-'.repeat(width)).join(' | ')} |`, ...rows.map(line)].join('\n');
}
