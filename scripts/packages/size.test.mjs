/** Measures the size of the client in an application: gzip -9 of the bundle, minus that of the same application without the client. */
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { expect, inject, it } from 'vitest';
import { runNode } from './run.mjs';

const consumer = inject('consumer');
const esbuild = createRequire(join(consumer, 'package.json'))('esbuild');

// Bundlers drop unused code, so each program uses the functions of its row.
const USE = {
  'WebSockets and JSON': 'globalThis.connect = client.createHubConnection;',
  'every transport': 'globalThis.connect = [client.createHubConnection, client.webSockets, client.serverSentEvents, client.longPolling];',
  MessagePack: 'globalThis.connect = [client.createHubConnection, messagePack];',
};

/**
 * The limits in bytes of gzip. They include 150 bytes for speed: an event costs a quarter, a call two thirds of the time before
 * (docs/performance.md), and a Hubline server tells the connection id without negotiation.
 */
const LIMITS = {
  esbuild: { 'WebSockets and JSON': 9_150, 'every transport': 10_050, MessagePack: 13_350 },
  'Vite 8': { 'WebSockets and JSON': 8_550, 'every transport': 9_550, MessagePack: 12_850 },
};

const BUNDLERS = {
  esbuild(folder) {
    const outdir = join(folder, 'out');
    esbuild.buildSync({ entryPoints: [join(folder, 'main.js')], bundle: true, minify: true, format: 'esm', outdir, logLevel: 'warning' });
    return outdir;
  },
  'Vite 8'(folder) {
    runNode(['../node_modules/vite/bin/vite.js', 'build', '--config', '../vite.plain.config.js', '--logLevel', 'warn', '.'], {
      cwd: folder,
    });
    return join(folder, 'dist/assets');
  },
};

const cases = Object.entries(LIMITS).flatMap(([bundler, limits]) =>
  Object.entries(limits).map(([what, limitBytes]) => ({ bundler, what, limitBytes })),
);

const APPLICATION = '<!doctype html><script type="module" src="./main.js"></script>';

/** Returns the bundle of a program. */
function bundled(bundler, name, program) {
  const folder = join(consumer, `size-${bundler}-${name}`.replaceAll(' ', '-'));
  mkdirSync(folder);
  writeFileSync(join(folder, 'main.js'), program);
  writeFileSync(join(folder, 'index.html'), APPLICATION);
  const out = BUNDLERS[bundler](folder);
  const files = readdirSync(out).filter((file) => file.endsWith('.js'));
  return files.map((file) => readFileSync(join(out, file), 'utf8')).join('');
}

const gzipBytes = (code) => gzipSync(code, { level: 9 }).length;
const ours = "import * as client from '@hubline/client';\nimport { messagePack } from '@hubline/client/messagepack';\n";

it.each(cases)('$bundler adds at most $limitBytes bytes for $what', { timeout: 60_000 }, ({ bundler, what, limitBytes }) => {
  const without = gzipBytes(bundled(bundler, `without ${what}`, 'globalThis.connect = undefined;'));
  const code = bundled(bundler, what, ours + USE[what]);
  const bytes = gzipBytes(code) - without;
  console.log(`note: ${bundler}, ${what}: ${bytes} bytes gzip, at most ${limitBytes} (${code.length} minified)`);
  expect(bytes).toBeLessThanOrEqual(limitBytes);
  expect(code, 'diagnostics are in development builds only').not.toContain('Did you mean');
});

it('the README of the client states the limits', () => {
  const readme = readFileSync(join(consumer, 'node_modules/@hubline/client/README.md'), 'utf8');
  for (const limits of Object.values(LIMITS)) {
    for (const limit of Object.values(limits)) expect(readme).toContain(`limit ${limit.toLocaleString('en')}`);
  }
});
