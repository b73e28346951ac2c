/** Compiles every TypeScript snippet of the documentation against the packed packages, and runs the first server. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, inject, it } from 'vitest';
import { documents } from '../documents.mjs';
import { ROOT } from '../install.mjs';
import { compile, runNode, startServer } from './run.mjs';

const consumer = inject('consumer');

/** This document is left to scripts/hosts: its programs need frameworks. */
const FRAMEWORKS = 'docs/guides/frameworks.md';

const DOCUMENTS = documents().filter((document) => document !== FRAMEWORKS);

/** The snippets. The first line may name a snippet, such as `// chat.ts`. */
const SNIPPETS = DOCUMENTS.flatMap((document) => {
  const fences = [...readFileSync(join(ROOT, document), 'utf8').matchAll(/^```ts[^\n]*\n([^]*?)^```/gm)];
  const prefix = document.replaceAll(/[^a-z]+/gi, '-').toLowerCase();
  return fences.map(([, code], index) => ({
    document,
    name: /^\/\/ ([\w-]+)\.ts\b/.exec(code)?.[1],
    file: `${prefix}-${index + 1}.ts`,
    code,
  }));
});

const contracts = SNIPPETS.filter(({ name }) => name === 'chat');
const servers = SNIPPETS.filter(({ name }) => name === 'server');

beforeAll(() => {
  writeFileSync(join(consumer, 'snippets/chat.ts'), contracts[0].code);
  // `export {}` makes each snippet a module, so that its names are its own.
  for (const { file, code } of SNIPPETS) writeFileSync(join(consumer, 'snippets', file), `${code}\nexport {};\n`);
});

it('every document shows the same contract', () => {
  expect(contracts.length).toBeGreaterThan(2);
  expect(new Set(contracts.map(({ code }) => code)).size).toBe(1);
});

describe.each([
  ['node16', { module: 'node16' }],
  ['bundler', { module: 'esnext', moduleResolution: 'bundler' }],
])('with the modules of %s', (_name, modules) => {
  it('every snippet compiles', { timeout: 180_000 }, () => {
    const options = { strict: true, target: 'es2022', lib: 'es2023,dom,dom.asynciterable,esnext.disposable', types: 'node', noEmit: true };
    const files = ['snippets/reader.d.ts', ...SNIPPETS.map(({ file }) => `snippets/${file}`)];
    expect(SNIPPETS.length).toBeGreaterThan(15);
    expect(compile(`${consumer}/node_modules/typescript`, { cwd: consumer, files, options: { ...options, ...modules } })).toBe('');
  });
});

it('the first server of the documentation runs', { timeout: 60_000 }, async () => {
  expect(new Set(servers.map(({ code }) => code)).size).toBe(1);
  const code = servers[0].code.replace(
    'http://localhost:${await server.listen(3000)}',
    "http://127.0.0.1:${await server.listen(0, '127.0.0.1')}",
  );
  expect(code).not.toBe(servers[0].code);
  writeFileSync(join(consumer, 'snippets/server.ts'), `${code}\nprocess.stdin.on('end', () => server.close()).resume();\n`);
  const options = { strict: true, target: 'es2022', module: 'node16', lib: 'es2023', types: 'node', outDir: 'out/snippets' };
  const files = ['snippets/chat.ts', 'snippets/server.ts', 'snippets/visitor.ts'];
  expect(compile(`${consumer}/node_modules/typescript`, { cwd: consumer, files, options })).toBe('');
  const server = await startServer(consumer, { program: 'out/snippets/server.js' });
  try {
    const outcome = JSON.parse(runNode(['out/snippets/visitor.js', server.url], { cwd: consumer }));
    expect(outcome).toEqual({
      members: 1,
      id: '1',
      said: ['hi'],
      imported: 2,
      history: ['hi', 'imported'],
      refused: 'At most 2,000 characters.',
    });
  } finally {
    await server.close();
  }
});
