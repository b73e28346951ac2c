import { readFileSync } from 'node:fs';
import { COMBINATIONS } from '@hubline/testing/interop';
import { expect, it } from 'vitest';
import { DOCUMENT, rowsOf, withTable } from '../interop.mjs';

const result = (group, status, title = 'x') => ({ ancestorTitles: [group], title, status });
const report = {
  testResults: [
    {
      assertionResults: [
        result('@a/b 1.2.3, Node, WebSockets, json', 'passed'),
        result('@a/b 1.2.3, Node, WebSockets, json', 'failed'),
        result('@a/b 1.2.3, Node, WebSockets, json', 'passed', 'does not: x'),
        result('@a/b 1.2.3, Node, LongPolling, json', 'passed'),
        { ancestorTitles: [], title: 'of something else', status: 'passed' },
      ],
    },
  ],
};

it('counts cases by what their group says, and differences as not passed', () => {
  expect(rowsOf(report)).toEqual([
    ['@a/b', '1.2.3', 'Node', 'WebSockets', 'json', 3, 1],
    ['@a/b', '1.2.3', 'Node', 'LongPolling', 'json', 1, 1],
  ]);
});

it('puts the table in its place, as it is formatted, and nowhere else', async () => {
  const text = 'before\n\n<!-- produced by npm run interop -->\n\nold\n\n<!-- end -->\n\nafter\n';
  const fresh = await withTable(text, [['p', '1', 'Node', 'WebSockets', 'json', 10, 9]]);
  expect(fresh).toMatch(
    /^before\n\n<!-- produced by npm run interop -->\n\n\| Peer .*\n\| -+ .*\n\| p .* 10 \| +9 \|\n\n<!-- end -->\n\nafter\n$/,
  );
  expect(await withTable(fresh, [['p', '1', 'Node', 'WebSockets', 'json', 10, 9]])).toBe(fresh);
  await expect(withTable('no place', [])).rejects.toThrow('no place for the table');
});

it('has in its document every case that there is, and no other', () => {
  const rows = [...readFileSync(DOCUMENT, 'utf8').matchAll(/^\| (\S+) +\| \S+ +\| (\S+) +\| (\S+) +\| (\S+) +\| +(\d+) \|/gm)];
  const cases = COMBINATIONS.map(({ transport, protocol, behaviours }) => `${transport} ${protocol} ${behaviours.length}`);
  for (const peer of ['@microsoft/signalr', '@hubline/client']) {
    const found = rows.filter(([, name, where, transport]) => name === peer && where === 'Node' && transport !== 'all');
    expect(found.map(([, , , transport, protocol, run]) => `${transport} ${protocol} ${run}`)).toEqual(cases);
  }
});
