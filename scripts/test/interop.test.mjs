import { readFileSync } from 'node:fs';
import { COMBINATIONS } from '@hubline/testing/interop';
import { expect, it } from 'vitest';
import { DOCUMENT, tablesOf, withTables } from '../interop.mjs';

const result = (group, status, title = 'x') => ({ ancestorTitles: [group], title, status });
const report = {
  testResults: [
    {
      assertionResults: [
        result('@a/b 1.2.3, Chromium, ESM, WebSockets, json', 'passed'),
        result('@a/b 1.2.3, Chromium, ESM, WebSockets, json', 'passed', 'does not: y (of z (and z))'),
        result('@a/b 1.2.3, Node, LongPolling, json', 'passed', 'does not: y (of z)'),
        result('@a/b 1.2.3, Node, LongPolling, messagepack', 'passed', 'does not: y (of z)'),
        result('@a/b 1.2.3, Node, WebSockets, json', 'passed'),
        result('@a/b 1.2.3, Node, WebSockets, json', 'failed'),
        result('@a/b 1.2.3, Node, WebSockets, json', 'passed', 'does not: y (of z)'),
        { ancestorTitles: [], title: 'of something else', status: 'passed' },
      ],
    },
  ],
};

it('tablesOf counts the cases of each group, and differences as not passed', () => {
  expect(tablesOf(report).results.slice(2)).toEqual([
    ['@a/b', '1.2.3', 'Node', 'WebSockets', 'json', 3, 1],
    ['@a/b', '1.2.3', 'Node', 'LongPolling', 'json', 1, 0],
    ['@a/b', '1.2.3', 'Node', 'LongPolling', 'messagepack', 1, 0],
    ['@a/b', '1.2.3', 'Chromium, ESM', 'WebSockets', 'json', 2, 1],
  ]);
});

it('tablesOf lists each difference once, with its reason', () => {
  expect(tablesOf(report).differences.slice(2)).toEqual([
    ['@a/b', 'Node', 'WebSockets, LongPolling', 'y', 'of z'],
    ['@a/b', 'Chromium, ESM', 'WebSockets', 'y', 'of z (and z)'],
  ]);
});

it('withTables replaces and formats the tables, and changes nothing else', async () => {
  const place = (name) => `<!-- ${name}, produced by npm run interop -->\n\nold\n\n<!-- end -->`;
  const fresh = await withTables(`before\n\n${place('a')}\n\nbetween\n\n${place('b')}\n\nafter\n`, {
    a: [['x'], ['--:'], [10]],
    b: [['y'], ['---'], ['z']],
  });
  const [before, a, between, b, after] = fresh.split(/<!-- [^e].*\n\n|\n<!-- end -->\n\n/);
  expect([before, between, after]).toEqual(['before\n\n', 'between\n\n', 'after\n']);
  expect([a, b]).toEqual([
    expect.stringMatching(/^\| +x \|\n\| -+: \|\n\| +10 \|\n$/),
    expect.stringMatching(/^\| y +\|\n.*\n\| z +\|\n$/),
  ]);
  await expect(withTables('no place', { a: [] })).rejects.toThrow('no place for the table "a"');
});

it('docs/interop.md has every case of the suite, and no other', () => {
  const [, table] = readFileSync(DOCUMENT, 'utf8').split('<!-- results, ');
  const rows = [...table.matchAll(/^\| (\S+) +\| \S+ +\| (\S.*?) +\| (\S+) +\| (\S+) +\| +(\d+) \|/gm)];
  const cases = COMBINATIONS.map(({ transport, protocol, behaviours }) => `${transport} ${protocol} ${behaviours.length}`);
  const everywhere = {
    '@microsoft/signalr': ['Node', 'Chromium'],
    '@hubline/client': ['Node', 'Chromium, ESM', 'Chromium, script tag'],
  };
  for (const [peer, places] of Object.entries(everywhere)) {
    for (const place of places) {
      const found = rows.filter(([, name, where, transport]) => name === peer && where === place && transport !== 'all');
      expect(found.map(([, , , transport, protocol, run]) => `${transport} ${protocol} ${run}`)).toEqual(cases);
    }
  }
});
