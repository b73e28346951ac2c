/** Checks the files and the manifest of each package in its tarball. */
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { spawnSync } from 'node:child_process';
import { dirname, join, resolve } from 'node:path';
import { publint } from 'publint';
import { formatMessage } from 'publint/utils';
import ts from 'typescript';
import { describe, expect, inject, it } from 'vitest';
import { ROOT } from '../install.mjs';
import { PACKAGES } from './pack.mjs';
import { runNode } from './run.mjs';

const consumer = inject('consumer');
const tarballs = inject('tarballs');
const REPOSITORY = 'https://github.com/hubline/hubline';

describe.each(PACKAGES)('@hubline/%s', (name) => {
  const folder = join(consumer, 'node_modules/@hubline', name);
  const read = (file) => readFileSync(join(folder, file), 'utf8');
  const manifest = () => JSON.parse(read('package.json'));
  const files = () => readdirSync(folder, { recursive: true }).filter((file) => !file.startsWith('node_modules'));

  it('passes publint', async () => {
    const { messages, pkg } = await publint({ pkgDir: folder, strict: true, pack: false });
    expect(messages.map((message) => formatMessage(message, pkg, { color: false }))).toEqual([]);
  });

  it('has the right types for ECMAScript modules and bundlers, by arethetypeswrong', { timeout: 120_000 }, () => {
    const attw = join(inject('checkers'), 'node_modules/@arethetypeswrong/cli/dist/index.js');
    const args = [attw, tarballs[name], '--profile', 'esm-only', '--format', 'ascii', '--no-emoji', '--no-color'];
    const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
    expect([status, status === 0 ? '' : stdout + stderr]).toEqual([0, '']);
  });

  it('can be imported by every entry', () => {
    const entries = Object.keys(manifest().exports).filter((entry) => !entry.endsWith('.json'));
    const program = entries.map((entry) => `await import('@hubline/${name}${entry.slice(1)}');`).join('');
    expect(runNode(['--input-type=module', '--eval', program], { cwd: consumer })).toBe('');
  });

  it('has keywords, a repository, a licence and a README', () => {
    const { keywords, repository, license, exports, description } = manifest();
    expect(keywords).toContain('signalr');
    expect(repository).toEqual({ type: 'git', url: `git+${REPOSITORY}.git`, directory: `packages/${name}` });
    expect(license).toBe('MIT');
    expect(description).toMatch(/Hubline|hubs/);
    expect(exports['./package.json']).toBe('./package.json');
    expect(read('LICENSE')).toBe(readFileSync(join(ROOT, 'LICENSE'), 'utf8'));
    expect(read('README.md')).toContain(`# @hubline/${name}`);
  });

  it('has source maps whose sources are in the tarball or in the map', () => {
    const maps = files().filter((file) => file.endsWith('.map'));
    expect(maps.length).toBeGreaterThan(0);
    for (const file of maps) {
      const { sources, sourcesContent = [] } = JSON.parse(read(file));
      sources.forEach((source, index) => {
        const isThere = sourcesContent[index] != null || existsSync(resolve(folder, dirname(file), source));
        expect(isThere, `${file}: ${source}`).toBe(true);
      });
    }
  });

  it('depends on exactly the packages that it imports', () => {
    const { dependencies = {}, peerDependencies = {} } = manifest();
    const code = files().filter((file) => /^dist\/.*\.js$/.test(file) && !file.includes('.min.'));
    const imported = code.flatMap((file) => ts.preProcessFile(read(file)).importedFiles.map(({ fileName }) => fileName));
    const packages = imported.filter((id) => !/^(node:|[.#])/.test(id)).map((id) => id.match(/^(@[^/]+\/)?[^/]+/)[0]);
    const used = new Set(packages);
    used.delete(`@hubline/${name}`);
    expect([...used].sort()).toEqual([...new Set([...Object.keys(dependencies), ...Object.keys(peerDependencies)])].sort());
  });
});

it('the NOTICE of the client names every package whose code it contains', () => {
  const { sources } = JSON.parse(readFileSync(join(consumer, 'node_modules/@hubline/client/dist/hubline.min.js.map'), 'utf8'));
  const bundled = new Set(sources.flatMap((source) => source.match(/node_modules\/((?:@[^/]+\/)?[^/]+)/)?.[1] ?? []));
  const notice = readFileSync(join(consumer, 'node_modules/@hubline/client/NOTICE'), 'utf8');
  expect([...bundled]).toEqual(['eventemitter3']);
  for (const name of bundled) expect(notice).toContain(readFileSync(join(ROOT, 'node_modules', name, 'LICENSE'), 'utf8').trim());
});
