import { existsSync, readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { settingsFrom } from '../../packages/server/src/node/settings.ts';
import { defaultsIn } from './defaults.mjs';

const textOf = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const exists = (path) => existsSync(new URL(`../../${path}`, import.meta.url));

/** Reads the rows of the tables of limits: a limit with a link, its default, and its test. */
export function rowsIn(document) {
  return document
    .split('\n')
    .filter((line) => /^\| \[`/.test(line))
    .map((line) => {
      const cells = line.split('|').map((cell) => cell.trim());
      const [, name, path] = /^\[`(\w+)`\]\((\S+)\)$/.exec(cells[1]) ?? [];
      const [, testPath, title] = /^\[[\w-]+\]\((\S+)\) “([^”]+)”$/.exec(cells[5] ?? '') ?? [];
      const [, number] = /^([\d,.]+) /.exec(cells[2] ?? '') ?? [];
      return { line, name, path, value: Number(number?.replaceAll(',', '')), reason: cells[3], effect: cells[4], testPath, title };
    });
}

const document = textOf('SECURITY.md');
const rows = rowsIn(document);

it('SECURITY.md names every limit and time limit of the server', () => {
  const { limits, timeouts } = settingsFrom({});
  const names = rows.filter(({ path }) => path === 'packages/server/src/node/settings.ts').map(({ name }) => name);
  expect(names.toSorted()).toEqual([...Object.keys(limits), ...Object.keys(timeouts)].toSorted());
});

it.each(rows)(
  'SECURITY.md has the default of $name in $path, a reason, an effect and a test',
  ({ name, path, value, reason, effect, testPath, title }) => {
    expect({ name, path }).toEqual({ name: expect.any(String), path: expect.any(String) });
    expect(defaultsIn(textOf(path), name)).toContain(value);
    expect([reason, effect].every((cell) => cell.length > 5)).toBe(true);
    expect([testPath, exists(testPath ?? '')]).toEqual([testPath, true]);
    expect(textOf(testPath).includes(title)).toBe(true);
  },
);

it('defaultsIn reads numbers in all forms', () => {
  const source = 'const MAX = 4 * 1024; f({ maxBytes: 2 ** 20, waitMs = 15_000, other: x }); const n = most ?? 7; const TOP: number = 2;';
  expect(['MAX', 'maxBytes', 'waitMs', 'other', 'most', 'TOP'].map((name) => defaultsIn(source, name))).toEqual([
    [4096],
    [1_048_576],
    [15_000],
    [],
    [7],
    [2],
  ]);
});

it('defaultsIn shows that a row has another default than the code', () => {
  const [row] = rowsIn('| [`maxX`](a.ts) | 1,000 bytes | why so many | it ends | [t](b.ts) “does it” |');
  expect(row).toMatchObject({ name: 'maxX', path: 'a.ts', value: 1000, testPath: 'b.ts', title: 'does it' });
  expect(defaultsIn('maxX: 1024', row.name)).not.toContain(row.value);
});
