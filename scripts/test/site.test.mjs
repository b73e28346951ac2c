/** Checks the map of the site, and the conversion of links between documents to links between pages. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { pages } from '../../docs/.vitepress/map.mjs';
import { withLinks } from '../docs/assemble.mjs';
import { documents, REPOSITORY } from '../documents.mjs';
import { ROOT } from '../install.mjs';

/** Documents of the repository and of npm that lead to others. */
const ELSEWHERE = [
  'README.md',
  'packages/client/README.md',
  'packages/server/README.md',
  'packages/redis/README.md',
  'packages/testing/README.md',
];

it('the map of the site has every document once, and only existing ones', () => {
  const shown = pages().map(({ document }) => document);
  expect(shown.filter((document) => !existsSync(join(ROOT, document)))).toEqual([]);
  expect(shown.filter((document, index) => shown.indexOf(document) !== index)).toEqual([]);
  expect(documents().filter((document) => !shown.includes(document) && !ELSEWHERE.includes(document))).toEqual([]);
});

const addresses = new Map([
  ['PROTOCOL.md', '/protocol'],
  ['docs/scaling.md', '/scaling'],
]);
const converted = (text) => withLinks(text, 'docs/scaling.md', addresses);

it('withLinks leads to pages of the site, and otherwise to the repository', () => {
  expect(converted('[a](../PROTOCOL.md#names) [b](#costs) [c](https://redis.io/docs)')).toBe(
    '[a](/protocol#names) [b](#costs) [c](https://redis.io/docs)',
  );
  expect(converted(`[a](${REPOSITORY}/blob/main/PROTOCOL.md)`)).toBe('[a](/protocol)');
  expect(converted('[a](../deploy/nginx.conf) [b](../packages)')).toBe(
    `[a](${REPOSITORY}/blob/main/deploy/nginx.conf) [b](${REPOSITORY}/tree/main/packages)`,
  );
  expect(converted('[send]: ../PROTOCOL.md\n')).toBe('[send]: /protocol\n');
});

it('withLinks leaves code unchanged', () => {
  const code = '```md\n[a](../PROTOCOL.md)\n```';
  expect(converted(`${code}\n[a](../PROTOCOL.md)`)).toBe(`${code}\n[a](/protocol)`);
});

it('withLinks refuses a link to a file that does not exist', () => {
  expect(() => converted('[a](../NOTHING.md)')).toThrow('docs/scaling.md links to NOTHING.md, which does not exist.');
});
