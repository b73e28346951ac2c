/** Type-checks applications against the packed packages, with the oldest and the newest supported compiler and with ours. */
import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { describe, expect, inject, it } from 'vitest';
import { compile } from './run.mjs';

const consumer = inject('consumer');
const checkers = inject('checkers');
const tarballs = inject('tarballs');

const COMPILERS = {
  5.4: join(checkers, 'node_modules/typescript-5.4'),
  'of this repository': join(consumer, 'node_modules/typescript'),
  '7.0': join(checkers, 'node_modules/typescript-7.0'),
};
const STRICT = { strict: true, exactOptionalPropertyTypes: true, target: 'es2022', skipLibCheck: false, declaration: true };
const NODE = { ...STRICT, module: 'node16', lib: 'es2022', types: 'node' };
const PAGE = { ...STRICT, module: 'esnext', moduleResolution: 'bundler', lib: 'es2022,dom', jsx: 'react-jsx' };

describe.each(Object.entries(COMPILERS))('TypeScript %s', (name, compiler) => {
  const outDir = `out/types-${name.replaceAll(' ', '-')}`;

  it('accepts a Node program, `module` node16, with `skipLibCheck` off', () => {
    const files = ['contract.ts', 'server.ts', 'client.ts', 'exported.ts'];
    expect(compile(compiler, { cwd: consumer, files, options: { ...NODE, outDir } })).toBe('');
  });

  it('accepts a Node program whose modules a bundler resolves', () => {
    const files = ['contract.ts', 'server.ts', 'client.ts', 'exported.ts'];
    const options = { ...NODE, module: 'esnext', moduleResolution: 'bundler', outDir };
    expect(compile(compiler, { cwd: consumer, files, options })).toBe('');
  });

  it('accepts a page without `esnext.disposable` and without the types of Node', () => {
    const folder = join(consumer, 'no-types'); // without @types
    mkdirSync(folder, { recursive: true });
    for (const file of ['contract.ts', 'client-page.ts']) cpSync(join(consumer, file), join(folder, file));
    writeFileSync(
      join(folder, 'tsconfig.json'),
      JSON.stringify({
        compilerOptions: { ...PAGE, lib: ['es2022', 'dom'], types: [], noEmit: true },
        files: ['contract.ts', 'client-page.ts'],
      }),
    );
    const { status, stdout } = spawnSync(process.execPath, [`${compiler}/bin/tsc`, '-p', folder], { encoding: 'utf8' });
    expect([status, stdout]).toEqual([0, '']);
  });

  it('accepts the React page', () => {
    const options = { ...PAGE, noEmit: true, types: 'react,react-dom' };
    expect(compile(compiler, { cwd: consumer, files: ['page/main.tsx'], options })).toBe('');
  });

  it('writes declarations of inferred types if pnpm hides indirect dependencies', () => {
    const folder = pnpmConsumer();
    const files = ['exported.ts', 'shapes.ts'];
    expect(compile(compiler, { cwd: folder, files, options: { ...NODE, outDir: 'out' } })).toBe('');
  });
});

it.each([
  ['nodenext', { module: 'nodenext' }],
  ['commonjs, resolved as a bundler does,', { module: 'commonjs', moduleResolution: 'bundler' }],
])('a program that is compiled to CommonJS with `module` %s is accepted', (_name, modules) => {
  const folder = join(consumer, 'commonjs');
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'package.json'), '{}');
  writeFileSync(
    join(folder, 'main.ts'),
    "import { createHubConnection, defineHub } from '@hubline/client';\nimport { createHubServer } from '@hubline/server';\nexport const connection = createHubConnection(defineHub<{ ping(): Promise<void> }>('x'), 'http://localhost/');\nexport const server = createHubServer();\n",
  );
  const options = { ...NODE, ...modules, declaration: false, outDir: 'out/commonjs' };
  expect(compile(COMPILERS['of this repository'], { cwd: consumer, files: ['commonjs/main.ts'], options })).toBe('');
});

let pnpmFolder;
/** Creates an application with pnpm: `@hubline/protocol` is installed, but the application cannot import it. */
function pnpmConsumer() {
  if (pnpmFolder) return pnpmFolder;
  const folder = join(inject('folder'), 'pnpm');
  mkdirSync(folder);
  for (const file of ['exported.ts', 'shapes.ts']) cpSync(join(consumer, file), join(folder, file));
  const asked = Object.fromEntries(['client', 'server', 'redis'].map((name) => [`@hubline/${name}`, `file:${tarballs[name]}`]));
  const all = Object.fromEntries(Object.entries(tarballs).map(([name, path]) => [`@hubline/${name}`, `file:${path}`]));
  const dependencies = { ...asked, '@types/node': '20' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, type: 'module', dependencies, pnpm: { overrides: all } }));
  const pnpm = join(checkers, 'node_modules/pnpm/bin/pnpm.cjs');
  const args = [pnpm, 'install', '--prefer-offline', '--ignore-scripts'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  if (status !== 0) throw new Error(`pnpm failed:\n${stdout}${stderr}`);
  return (pnpmFolder = folder);
}
