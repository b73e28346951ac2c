/** Checks that links in documents lead to existing files and headings. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { documents, READMES, REPOSITORY } from '../documents.mjs';
import { ROOT } from '../install.mjs';

/** The anchors of the headings in a document. */
const anchors = (path) =>
  [...readFileSync(path, 'utf8').matchAll(/^#+\s+(.*)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(/\s/g, '-'),
  );

/** The links of a document outside its code. */
const linksIn = (document) =>
  [
    ...readFileSync(join(ROOT, document), 'utf8')
      .replaceAll(/^```[^]*?^```/gm, '')
      .matchAll(/\]\(([^)\s]+)\)/g),
  ].map(([, link]) => link);

/** Returns the file and the anchor of a link into this repository; undefined for other links. */
function targetOf(link, document) {
  if (link.startsWith('#')) return [join(ROOT, document), link.slice(1)];
  if (link.startsWith(`${REPOSITORY}/`)) {
    const [path, anchor] = link.slice(REPOSITORY.length).split('#');
    return [join(ROOT, path.replace(/^\/(blob|tree)\/main\//, '')), anchor];
  }
  if (/^[a-z]+:/.test(link)) return undefined;
  const [path, anchor] = link.split('#');
  return [resolve(ROOT, dirname(document), path), anchor];
}

describe.each(documents())('%s', (document) => {
  it('links to existing files and headings', () => {
    for (const link of linksIn(document)) {
      const [path, anchor] = targetOf(link, document) ?? [];
      if (!path) continue;
      expect(existsSync(path), link).toBe(true);
      if (anchor && path.endsWith('.md')) expect(anchors(path), link).toContain(anchor);
    }
  });
});

it.each(READMES)('%s has no relative link', (document) => {
  expect(linksIn(document).filter((link) => !/^(https:|#)/.test(link))).toEqual([]);
});

it('the packages name the repository of the documents', () => {
  for (const readme of READMES) {
    const { homepage } = JSON.parse(readFileSync(join(ROOT, dirname(readme), 'package.json'), 'utf8'));
    expect(homepage.startsWith(`${REPOSITORY}/tree/main/`), readme).toBe(true);
  }
});
