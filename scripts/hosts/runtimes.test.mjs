/**
 * Runs the packed client and server in every runtime of docs/guides/runtimes.md, and compares its table with the outcomes.
 * `HUBLINE_WRITE=1 npm run hosts` writes the table.
 */
import { spawn } from 'node:child_process';
import { cpSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { chromium } from '@playwright/test';
import { rolldown } from 'rolldown';
import { afterAll, beforeAll, describe, expect, inject, it } from 'vitest';
import { ROOT } from '../install.mjs';
import { chromiumLaunch } from '../programs.mjs';
import { nodeProgram, tools } from '../tools.mjs';
import { freePort } from './free-port.mjs';
import { CASES, DIFFERENCES, RUNTIMES, tableOf } from './runtimes.mjs';

const application = inject('application');
const installed = join(
  tools({ bun: RUNTIMES.Bun.version, deno: RUNTIMES.Deno.version, workerd: RUNTIMES.workerd.version }),
  'node_modules/.bin',
);

/** The command that runs a program, by runtime. */
const COMMANDS = {
  ...Object.fromEntries(
    Object.entries(RUNTIMES)
      .filter(([name]) => name.startsWith('Node'))
      .map(([name, { version }]) => [name, [nodeProgram(version)]]),
  ),
  Bun: [bun()],
  Deno: [join(installed, 'deno'), 'run', '--no-prompt', '--allow-net', '--allow-env', '--allow-read', '--allow-sys', '--no-lock'],
};

/** Returns the path of Bun. Its install script, which some versions of npm do not run, moves the program out of the platform's package. */
function bun() {
  const packages = join(installed, '../@oven');
  const [own = ''] = readdirSync(packages);
  return [join(packages, own, 'bin/bun'), join(installed, 'bun')].find(existsSync);
}

/** Starts a program. `ended` resolves with its standard output. */
function start([command, ...args]) {
  const child = spawn(command, args, { cwd: application, stdio: ['pipe', 'pipe', 'pipe'], env: environment() });
  let output = '';
  let errors = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (errors += data));
  const ended = once(child, 'exit').then(() => output);
  return { child, ended, errors: () => errors };
}

/** The environment without Node's options, which other runtimes do not know. */
function environment() {
  const env = { ...process.env, DENO_NO_UPDATE_CHECK: '1' };
  delete env.NODE_OPTIONS;
  delete env.NODE_ENV;
  return env;
}

async function startServer(runtime) {
  const { child, ended, errors } = start([...COMMANDS[runtime], 'server.mjs']);
  for await (const url of createInterface(child.stdout)) {
    return {
      url,
      async close() {
        child.stdin.end();
        await ended;
      },
    };
  }
  throw new Error(`The server ended with ${child.exitCode}: ${errors()}`);
}

const bundled = async (input) => {
  const bundle = await rolldown({ input: join(application, input), resolve: { conditionNames: ['browser', 'import', 'default'] } });
  const { output } = await bundle.generate({ format: 'es' });
  return output[0].code;
};

const CLIENTS = {
  ...Object.fromEntries(
    Object.entries(COMMANDS).map(([name, command]) => [
      name,
      async (url) => {
        const { ended, errors } = start([...command, 'main.mjs', url]);
        const output = await ended;
        expect(output, errors()).toContain('{');
        return JSON.parse(output);
      },
    ]),
  ),
  workerd: (url) => inWorkerd('workerd', url),
  'workerd as in 2024': (url) => inWorkerd('workerd as in 2024', url),
  async Chromium(url) {
    const code = await bundled('page.mjs');
    const http = createServer((_request, response) => response.setHeader('content-type', 'text/html').end('a page')).listen(0, '127.0.0.1');
    await once(http, 'listening');
    const browser = await chromium.launch(await chromiumLaunch());
    try {
      const page = await browser.newPage();
      await page.goto(`http://127.0.0.1:${http.address().port}/`);
      await page.addScriptTag({ type: 'module', content: code });
      await page.waitForFunction(() => 'tryAll' in globalThis);
      return await page.evaluate((origin) => globalThis.tryAll(origin), url);
    } finally {
      await browser.close();
      http.closeAllConnections();
      http.close();
    }
  },
};

async function inWorkerd(name, url) {
  const port = await freePort();
  writeFileSync(join(application, 'worker.js'), await bundled('worker.mjs'));
  writeFileSync(join(application, 'worker.capnp'), WORKER.replace('PORT', String(port)).replace('DATE', RUNTIMES[name].compatibilityDate));
  const { child, ended, errors } = start([join(installed, 'workerd'), 'serve', 'worker.capnp']);
  try {
    await expect
      .poll(() =>
        globalThis.fetch(`http://127.0.0.1:${port}/none`, { method: 'HEAD' }).then(
          () => true,
          () => child.exitCode,
        ),
      )
      .toBe(true);
    const answer = await globalThis.fetch(`http://127.0.0.1:${port}/?server=${encodeURIComponent(url)}`);
    expect(answer.status, errors()).toBe(200);
    return await answer.json();
  } finally {
    child.kill('SIGKILL');
    await ended;
  }
}

/** The configuration of a worker that may connect to this machine. */
const WORKER = `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "network", network = (allow = ["private", "public", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:PORT", http = (), service = "main")],
);
const worker :Workerd.Worker = (
  modules = [(name = "worker", esModule = embed "worker.js")],
  compatibilityDate = "DATE",
  globalOutbound = "network",
);
`;

/** The outcome of each run, for the table. */
const outcomes = { client: {}, server: {} };

beforeAll(() => cpSync(join(ROOT, 'scripts/hosts/programs'), application, { recursive: true }));

/** Compares outcomes with the known failures. @throws AssertionError for a new failure, and for a known failure that works now */
function expectAsKnown(side, runtime) {
  const found = outcomes[side][runtime];
  for (const name of CASES) {
    const known = DIFFERENCES[side][runtime]?.[name];
    if (known) expect(found[name], name).toMatch(new RegExp(`^${known}:`));
    else expect(found[name], name).toBe('ok');
  }
}

describe('the client', () => {
  let server;
  beforeAll(async () => {
    server = await startServer('Node 20');
  });
  afterAll(() => server?.close());

  it.each(Object.keys(CLIENTS))(
    '%s connects, calls, receives, returns a result, streams, uploads and reconnects',
    { timeout: 120_000 },
    async (runtime) => {
      outcomes.client[runtime] = await CLIENTS[runtime](server.url);
      expectAsKnown('client', runtime);
    },
  );
});

describe('the server', () => {
  it.each(Object.keys(COMMANDS))('%s serves a client in Node 20', { timeout: 120_000 }, async (runtime) => {
    const server = await startServer(runtime);
    try {
      outcomes.server[runtime] = await CLIENTS['Node 20'](server.url);
    } finally {
      await server.close();
    }
    expectAsKnown('server', runtime);
  });
});

it('the table of docs/guides/runtimes.md matches the outcomes', () => {
  const path = join(ROOT, 'docs/guides/runtimes.md');
  const document = readFileSync(path, 'utf8');
  const written = document.replace(/(?<=<!-- runtimes[^\n]*-->\n)[^]*(?=<!-- end -->)/, `\n${tableOf(outcomes)}\n\n`);
  if (process.env.HUBLINE_WRITE) writeFileSync(path, written);
  else expect(document).toBe(written);
});
