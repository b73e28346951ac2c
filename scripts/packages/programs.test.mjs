/** Builds and runs applications of the packed packages: programs of Node, as ECMAScript modules and CommonJS, and pages in Chromium. */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from '@playwright/test';
import { beforeAll, afterAll, describe, expect, inject, it } from 'vitest';
import { ROOT } from '../install.mjs';
import { chromiumLaunch } from '../programs.mjs';
import { nodeProgram, npm, tools } from '../tools.mjs';
import { compile, runNode, startServer } from './run.mjs';

const consumer = inject('consumer');
/** The test for Jest in docs/guides/commonjs.md. */
const [jestTest] = /(?<=```js\n)import [^]*?(?=```)/.exec(readFileSync(join(ROOT, 'docs/guides/commonjs.md'), 'utf8'));
const jest = join(tools({ jest: '30.5.2' }), 'node_modules/jest/bin/jest.js');

const NODES = { 20: '20.19.0', 22: '22.12.0', 24: '24.21.0' };

let server;
beforeAll(async () => {
  const options = { strict: true, module: 'node16', target: 'es2022', lib: 'es2022', types: 'node', outDir: 'out/node16' };
  const files = ['contract.ts', 'server.ts', 'client.ts'];
  expect(compile(`${consumer}/node_modules/typescript`, { cwd: consumer, files, options })).toBe('');
  server = await startServer(consumer);
}, 120_000);
afterAll(() => server?.close());

const EVERYTHING = { said: 5, heard: ['hello'], read: ['0', '1', '2'], uploaded: 3 };

describe.each(Object.entries(NODES))('Node %s', (_major, version) => {
  it('runs the client and the server as modules, and both by require', { timeout: 120_000 }, async () => {
    const node = nodeProgram(version);
    console.log(`note: Node ${runNode(['--version'], { node }).trim()}: client and server`);
    const own = await startServer(consumer, { node });
    try {
      const outcomes = JSON.parse(runNode(['out/node16/client.js', own.url], { cwd: consumer, node }));
      expect(outcomes).toEqual({ WebSockets: EVERYTHING, ServerSentEvents: EVERYTHING, LongPolling: EVERYTHING });
      const required = JSON.parse(runNode(['common.cjs', own.url], { cwd: consumer, node }));
      expect(required).toEqual({ said: 5, server: 'function', redis: 'function' });
    } finally {
      await own.close();
    }
  });
});

it('the client works with ws 7, installed with ioredis 5', () => {
  const folder = join(inject('folder'), 'old');
  mkdirSync(folder);
  const ours = Object.fromEntries(Object.entries(inject('tarballs')).map(([name, path]) => [`@hubline/${name}`, `file:${path}`]));
  const dependencies = { ws: '7.5.10', ioredis: '5.6.1', ...ours };
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ private: true, dependencies }));
  npm(['install'], folder);
  cpSync(join(consumer, 'common.cjs'), join(folder, 'common.cjs'));
  const node = nodeProgram(NODES[20]); // has no WebSocket of its own
  const outcome = JSON.parse(runNode(['common.cjs', server.url], { cwd: folder, node }));
  expect(outcome).toEqual({ said: 5, server: 'function', redis: 'function' });
});

describe('Jest', () => {
  const folder = join(consumer, 'jest');
  beforeAll(() => {
    mkdirSync(folder);
    writeFileSync(join(folder, 'package.json'), '{ "jest": {} }'); // CommonJS, unless a file is named .mjs
    writeFileSync(join(folder, 'module.test.mjs'), jestTest);
    writeFileSync(join(folder, 'common.test.js'), jestTest.replaceAll(/^import (.*) from (.*);$/gm, 'const $1 = require($2);'));
  });
  const run = (test, node) =>
    runNode([jest, '--rootDir', folder, '--testMatch', `**/${test}`], {
      cwd: folder,
      node,
      env: { NODE_OPTIONS: '--experimental-vm-modules' },
    });

  it('runs tests that are modules, on the oldest Node', () => run('module.test.mjs', nodeProgram(NODES[20])));

  it('runs tests that use require, on Node 24', () => run('common.test.js', nodeProgram(NODES[24])));
});

describe('a page in Chromium', () => {
  let browser;
  beforeAll(async () => {
    runNode(['node_modules/vite/bin/vite.js', 'build'], { cwd: consumer });
    browser = await chromium.launch(await chromiumLaunch());
  }, 120_000);
  afterAll(() => browser?.close());

  /** Opens a page, and collects its errors. */
  async function open(path) {
    const page = await browser.newPage();
    const faults = [];
    page.on('pageerror', (error) => faults.push(error.message));
    page.on('console', (message) => message.type() === 'error' && faults.push(message.text()));
    page.on('response', (response) => response.ok() || faults.push(`${response.status()} ${response.url()}`));
    await page.goto(server.url + path);
    return { page, faults: () => faults };
  }

  it('built by Vite with React receives its own message', async () => {
    const { page, faults } = await open('/out/page/');
    await expect.poll(() => page.locator('li').allTextContents()).toContain('server: hello');
    expect(faults()).toEqual([]);
  });

  it('with a script tag and a strict content security policy receives its own message', async () => {
    const { page, faults } = await open('/strict/');
    await expect.poll(() => page.locator('#heard').textContent()).toBe('server: hello');
    expect(faults()).toEqual([]);
  });

  it('loads the modules of the packages without a bundler', async () => {
    const { page, faults } = await open('/module/');
    await expect.poll(() => page.locator('#heard').textContent()).toBe('server: hello');
    await expect.poll(() => page.locator('#bundled').textContent()).toBe('server: hello');
    expect(faults()).toEqual([]);
  });
});
