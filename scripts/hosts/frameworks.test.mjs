/** Compiles and runs the programs of docs/guides/frameworks.md unchanged: clients connect over every transport, and the hosts end. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { createHubConnection, longPolling, serverSentEvents, webSockets } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import typescript from 'typescript';
import { beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { ROOT } from '../install.mjs';
import { compile } from '../packages/run.mjs';
import { programs } from '../programs.mjs';
import { freePort } from './free-port.mjs';

const application = inject('application');
const document = readFileSync(join(ROOT, 'docs/guides/frameworks.md'), 'utf8');
/** The programs by the names in their first lines. */
const PROGRAMS = Object.fromEntries(
  [...document.matchAll(/^```ts\n(\/\/ ([\w.-]+)\.ts\n[^]*?)^```/gm)].map(([, code, name]) => [name, code]),
);
const [, NGINX] = /^```nginx\n([^]*?)^```/m.exec(document);

const HOSTS = Object.keys(PROGRAMS).filter((name) => !['chat', 'hub', 'vite.config'].includes(name));
const TRANSPILED = {
  module: typescript.ModuleKind.ESNext,
  target: typescript.ScriptTarget.ES2022,
  experimentalDecorators: true,
  emitDecoratorMetadata: true,
};
const MILLISECONDS = 60_000;

beforeAll(() => {
  for (const [name, code] of Object.entries(PROGRAMS)) {
    writeFileSync(join(application, `${name}.ts`), code);
    writeFileSync(join(application, `${name}.js`), typescript.transpile(code, TRANSPILED));
  }
  mkdirSync(join(application, 'pages')); // for Next
  writeFileSync(join(application, 'pages/index.jsx'), "export default () => 'a page';");
  writeFileSync(join(application, 'index.html'), 'a page'); // for Vite
});

it('the programs of docs/guides/frameworks.md compile', { timeout: 120_000 }, () => {
  const options = {
    strict: true,
    skipLibCheck: true,
    target: 'es2022',
    module: 'esnext',
    moduleResolution: 'bundler',
    lib: 'es2023,dom,dom.asynciterable,esnext.disposable',
    types: 'node',
    experimentalDecorators: true,
    noEmit: true,
  };
  const files = Object.keys(PROGRAMS).map((name) => `${name}.ts`);
  expect(compile(join(ROOT, 'node_modules/typescript'), { cwd: application, files, options })).toBe('');
});

/** Closes the resource after the test. */
function use(resource) {
  onTestFinished(() => resource.close());
  return resource;
}

/** Replaces Vitest's NODE_ENV, which Next refuses. */
const DEVELOPMENT = { NODE_ENV: 'development', NEXT_TELEMETRY_DISABLED: '1' };

/** Starts a program and waits until it accepts connections on its port. */
async function run(command, args, { env = {}, port }) {
  const child = spawn(command, args, {
    cwd: application,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...DEVELOPMENT, ...env },
  });
  let log = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (data) => (log += data));
  const ended = once(child, 'exit').then(([code, signal]) => ({ code, signal, log }));
  await expect.poll(() => child.exitCode !== null || answers(port), { timeout: MILLISECONDS }).toBe(true);
  expect(child.exitCode, log).toBe(null);
  return {
    ended,
    stop: () => child.kill('SIGTERM'),
    async close() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

const answers = (port) =>
  new Promise((settle) => {
    const socket = connect({ port, host: 'localhost' }, () => settle(true)).on('error', () => settle(false));
    socket.on('connect', () => socket.destroy());
  });

const host = async (name, env = {}) => {
  const port = await freePort();
  const running = await run(process.execPath, [`${name}.js`], { port, env: { ...env, PORT: String(port) } });
  return Object.assign(running, { port });
};

const TRANSPORTS = [webSockets, serverSentEvents, longPolling];

/** Connects one client over each transport. Each has called a method and received an event. */
async function clients(port, headers) {
  const connections = await Promise.all(
    TRANSPORTS.map(async (transport) => {
      const heard = [];
      const connection = createHubConnection(defineHub('chat'), `http://localhost:${port}/hubs/chat`, {
        transports: [transport()],
        headers,
        receiver: { said: (text) => heard.push(text) },
      });
      await connection.start();
      expect(await connection.invoke.say('hello')).toBe(5);
      await expect.poll(() => heard).toContain('hello');
      return connection;
    }),
  );
  return {
    states: () => connections.map(({ state }) => state.name),
    async close() {
      await Promise.all(connections.map((connection) => connection.stop()));
    },
  };
}

it.each(HOSTS)('%s serves hubs and pages, and ends while clients are connected', { timeout: 2 * MILLISECONDS }, async (name) => {
  const running = use(await host(name));
  await expect.poll(() => pageOf(running.port), { timeout: MILLISECONDS }).toContain('a page');
  const connected = use(await clients(running.port));
  running.stop();
  const { code, signal, log } = await running.ended;
  expect([0, 143], log).toContain(code); // Vite ends the process itself, with 143
  expect(signal, log).toBe(null);
  await expect.poll(connected.states).toEqual(['reconnecting', 'reconnecting', 'reconnecting']);
});

const pageOf = async (port) => (await globalThis.fetch(`http://localhost:${port}/`)).text();

it('the proxy of vite.config forwards the requests of a page', { timeout: MILLISECONDS }, async () => {
  const running = use(await host('plain'));
  const port = await freePort();
  const vite = resolve(application, '../../node_modules/vite/bin/vite.js'); // from the frameworks
  use(
    await run(process.execPath, [vite, '--config', 'vite.config.js', '--port', String(port), '--strictPort'], {
      port,
      env: { HUB_PORT: String(running.port) },
    }),
  );
  const connected = use(await clients(port, { origin: `http://localhost:${port}` }));
  expect(connected.states()).toEqual(['connected', 'connected', 'connected']);
});

it('nginx forwards the requests of a page', { timeout: MILLISECONDS }, async () => {
  const running = use(await host('plain'));
  const { nginx } = await programs(['nginx']);
  const port = await freePort();
  const folder = join(application, 'nginx');
  mkdirSync(folder);
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`);
  const shown = NGINX.replace('127.0.0.1:8080', `127.0.0.1:${port}`).replace('127.0.0.1:3000', `127.0.0.1:${running.port}`);
  writeFileSync(join(folder, 'nginx.conf'), `events {}\nhttp {\naccess_log off;\n${paths.join('\n')}\n${shown}\n}`);
  const user = process.getuid() === 0 ? ' user root;' : '';
  const args = ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', 'stderr', '-g', `daemon off; pid ${folder}/pid;${user}`];
  use(await run(nginx, args, { port }));
  const connected = use(await clients(port, { origin: `http://localhost:${port}` }));
  expect(connected.states()).toEqual(['connected', 'connected', 'connected']);
});
