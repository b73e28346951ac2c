/** Assembles the pages of the site from the documents of the repository, whose links work there too. */
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join, relative, resolve } from 'node:path';
import { addressOf, pages } from '../../docs/.vitepress/map.mjs';
import { REPOSITORY } from '../documents.mjs';
import { ROOT } from '../install.mjs';
import { ENTRIES } from './reference.mjs';

/** A file that the site serves as it is. */
const SCHEMA = 'docs/protocol/messages.schema.json';

/**
 * Writes the source of the site to `folder`: pages, theme, configuration. `api` is the folder of the generated reference; `programs` the
 * one of `siteTools`. Returns the number of pages. @throws Error for a link to a file that does not exist
 */
export function assemble(folder, { api, programs }) {
  rmSync(folder, { recursive: true, force: true });
  const generated = readdirSync(api, { recursive: true })
    .filter((file) => file.endsWith('.md') && file !== 'README.md')
    .map((file) => ({ document: relative(ROOT, join(api, file)), path: `reference/api/${pathIn(file)}`, isGenerated: true }));
  const all = [...pages(), ...generated];
  const addresses = new Map([
    ...all.map(({ document, path }) => [document, addressOf(path)]),
    // The pages of the reference have more than the READMEs.
    ...['client', 'server'].map((name) => [`packages/${name}/README.md`, `/reference/${name}`]),
    ['packages/testing/README.md', '/test-kit'],
  ]);
  for (const page of all) {
    const text = readFileSync(join(ROOT, page.document), 'utf8');
    const target = join(folder, `${page.path}.md`);
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, contentOf(page, withLinks(page.isGenerated ? readable(text) : folded(page, text), page.document, addresses)));
  }
  cpSync(join(ROOT, 'docs/.vitepress'), join(folder, '.vitepress'), { recursive: true });
  cpSync(join(ROOT, 'docs/images'), join(folder, 'public/images'), { recursive: true });
  cpSync(join(ROOT, 'docs/images/logo.svg'), join(folder, 'public/logo.svg'));
  cpSync(join(ROOT, SCHEMA), join(folder, 'public', SCHEMA.slice('docs/'.length)));
  cpSync(join(programs, 'node_modules/@mermaid-js/tiny/dist/mermaid.tiny.js'), join(folder, 'public/mermaid.js'));
  writeFileSync(join(folder, '.vitepress/site.json'), JSON.stringify({ repository: REPOSITORY, reference: referenceSidebar(all) }));
  return all.length;
}

/** Returns the path of a generated page: `server/interfaces/HubOptions` for `packages/server/src/interfaces/HubOptions.md`. */
const pathIn = (file) => file.replace(/^packages\/(\w+)\/src/, '$1').replace(/(?:README)?\.md$/, (end) => (end === '.md' ? '' : 'index'));

const referenceSidebar = (all) =>
  Object.keys(ENTRIES)
    .filter((entry) => all.some(({ path }) => path === `reference/api/${entry}/index`))
    .map((entry) => ({ text: `@hubline/${entry}`, link: `/reference/api/${entry}/` }));

/** Adds the front matter: the source for the link "Edit this page", or none for generated pages. */
function contentOf({ document, isGenerated }, text) {
  const [, own = '', body = text] = /^---\n([^]*?)---\n([^]*)$/.exec(text) ?? [];
  return `---\n${own}${isGenerated ? 'editLink: false\noutline: [2, 3]' : `source: ${document}`}\n---\n${body}`;
}

/** Names packages as applications import them. */
const readable = (text) =>
  text
    .replace(/^# packages\/(\w+)\/src(.*)$/m, '# @hubline/$1$2')
    .replace(/^# (?:Interface|Class|Function|Type Alias|Variable|Namespace): (.*)$/m, '# $1');

/** Puts the tests of guarantees behind a fold. */
const folded = ({ document }, text) =>
  document !== 'docs/guarantees.md' ? text : (
    text.replaceAll(/(?:^- \[[\w-]+\] “[^]*?(?=\n\n|\n- )\n?)+/gm, (tests) => {
      const count = [...tests.matchAll(/\] “/g)].length;
      return `\n<details><summary>${count} ${count === 1 ? 'test' : 'tests'}</summary>\n\n${tests.trimEnd()}\n\n</details>\n`;
    })
  );

/** Replaces links between documents by links between pages, and links to other files by links to the repository. */
export function withLinks(text, document, addresses) {
  return text
    .split(/(^```[^]*?^```)/gm)
    .map((part, index) => (index % 2 ? part : withLinksOf(part, (link) => linkTo(link, document, addresses))))
    .join('');
}

const withLinksOf = (text, replace) =>
  text
    .replaceAll(/\]\(([^)\s]+)\)/g, (_all, link) => `](${replace(link)})`)
    .replaceAll(/^(\[[\w-]+\]: )(\S+)$/gm, (_all, name, link) => name + replace(link));

function linkTo(link, document, addresses) {
  if (link.startsWith('#') || link.startsWith('/')) return link;
  const [address, anchor] = link.split('#');
  const hash = anchor === undefined ? '' : `#${anchor}`;
  const path = pathOf(address, document);
  if (path === undefined) return link;
  if (addresses.has(path)) return addresses.get(path) + hash;
  if (path.startsWith('docs/images/') || path === SCHEMA) return `/${path.slice('docs/'.length)}`;
  if (!existsSync(join(ROOT, path))) throw new Error(`${document} links to ${path}, which does not exist.`);
  const kind = statSync(join(ROOT, path)).isDirectory() ? 'tree' : 'blob';
  return `${REPOSITORY}/${kind}/main/${path}${hash}`;
}

/** Returns the path of a link into the repository; undefined for other links. */
function pathOf(address, document) {
  if (address.startsWith(`${REPOSITORY}/`)) return address.slice(REPOSITORY.length).replace(/^\/(?:blob|tree)\/main\//, '');
  return /^[a-z]+:/.test(address) ? undefined : relative(ROOT, resolve(ROOT, dirname(document), address));
}
