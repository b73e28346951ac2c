/**
 * Adds Debian's backports to apt's sources, for the duration of an installation. Uses the mirror from which this machine gets its release.
 * Node built-ins only.
 */
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const SOURCES_FILE = '/etc/apt/sources.list.d/hubline-backports.sources';

/** Returns the name of this Debian's release, such as `bookworm`; undefined on other systems. */
function releaseHere() {
  const release = existsSync('/etc/os-release') ? readFileSync('/etc/os-release', 'utf8') : '';
  return /^ID=debian$/m.test(release) ? /^VERSION_CODENAME=(\w+)$/m.exec(release)?.[1] : undefined;
}

/** Reads entries of apt's sources, in both of their formats: the mirror, the suites and the key that signs them. */
export function entriesIn(text) {
  const lines = text.split('\n').filter((line) => !/^\s*#/.test(line));
  const oneLine = lines.flatMap((line) => {
    const [, options = '', uri, suite] = /^deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s/.exec(`${line} `) ?? [];
    return uri ? [{ uri, suites: [suite], signedBy: /signed-by=(\S+)/i.exec(options)?.[1] }] : [];
  });
  const stanzas = lines
    .join('\n')
    .split(/\n\s*\n/)
    .map((stanza) =>
      Object.fromEntries([...stanza.matchAll(/^([\w-]+):[ \t]*(.*)$/gm)].map(([, name, value]) => [name.toLowerCase(), value])),
    );
  const deb822 = stanzas
    .filter(({ uris, suites, types = '' }) => uris && suites && types.split(/\s+/).includes('deb'))
    .map(({ uris, suites, 'signed-by': signedBy }) => ({ uri: uris.split(/\s+/)[0], suites: suites.trim().split(/\s+/), signedBy }));
  return [...oneLine, ...deb822];
}

function entriesHere() {
  const folder = '/etc/apt/sources.list.d';
  const files = existsSync(folder) ? readdirSync(folder).map((name) => join(folder, name)) : [];
  const texts = ['/etc/apt/sources.list', ...files].filter((path) => existsSync(path) && /\.(?:list|sources)$/.test(path));
  return texts.flatMap((path) => entriesIn(readFileSync(path, 'utf8')));
}

/**
 * Adds the source. Returns its suite, such as `bookworm-backports`, and a function that removes the source; undefined if this is no Debian
 * or its mirror is unknown.
 */
export function addBackports() {
  const release = releaseHere();
  const entry = release ? entriesHere().find(({ suites }) => suites.includes(release)) : undefined;
  if (!entry) return undefined;
  const suite = `${release}-backports`;
  const signedBy = entry.signedBy ? `Signed-By: ${entry.signedBy}\n` : '';
  writeFileSync(SOURCES_FILE, `Types: deb\nURIs: ${entry.uri}\nSuites: ${suite}\nComponents: main\n${signedBy}`);
  return { suite, remove: () => rmSync(SOURCES_FILE, { force: true }) };
}
