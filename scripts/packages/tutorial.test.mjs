/** Follows the tutorial of the documents, from an empty folder to two clients on two nodes, with the packed packages. */
import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, expect, inject, it, onTestFinished } from 'vitest';
import { freePort } from '../hosts/free-port.mjs';
import { ROOT } from '../install.mjs';
import { programs } from '../programs.mjs';
import { npm } from '../tools.mjs';

const folder = join(inject('folder'), 'tutorial');
const textOf = (document) => readFileSync(join(ROOT, 'docs/start', document), 'utf8');
const tutorial = textOf('tutorial.md');
const programIn = (document, name) => new RegExp(`^\`\`\`ts\n(// ${name}\\.ts[^]*?)^\`\`\``, 'm').exec(document)[1];
const [, printed] = /^```text\n([^]*?)^```/m.exec(tutorial);

/** Replaces a part of a program, which has to be there. */
function replaced(text, part, by) {
  expect(text).toContain(part);
  return text.replace(part, by);
}

beforeAll(() => {
  mkdirSync(folder);
  npm(['init', '-y'], folder);
  npm(['pkg', 'set', 'type=module'], folder);
  const { protocol, client, server, redis } = inject('tarballs');
  npm(['install', protocol, client, server, redis, 'ioredis', 'ws'], folder);
  npm(['install', '--save-dev', 'typescript', 'tsx', '@types/node'], folder);
  const server1 = programIn(tutorial, 'server');
  const beginning = programIn(textOf('two-nodes.md'), 'node').replace(/^\/\/.*\n/, '');
  writeFileSync(join(folder, 'chat.ts'), programIn(tutorial, 'chat'));
  writeFileSync(join(folder, 'client.ts'), programIn(tutorial, 'client'));
  writeFileSync(join(folder, 'server.ts'), replaced(server1, 'server.listen(3000)', "server.listen(0, '127.0.0.1')"));
  const server2 = replaced(
    server1,
    "import { createHubServer, hubError } from '@hubline/server';",
    "import { hubError } from '@hubline/server';",
  );
  const second = replaced(server2, "const server = createHubServer({ nodeId: 'api-1' });", beginning);
  writeFileSync(
    join(folder, 'node.ts'),
    replaced(second, 'server.listen(3000)', "server.listen(Number(process.env.PORT ?? 3000), '127.0.0.1')"),
  );
}, 180_000);

/** Runs a program by tsx until the end of the test. Returns a function with its output. */
function run(program, { args = [], env = {} } = {}) {
  const child = spawn(process.execPath, ['--import', 'tsx', program, ...args], {
    cwd: folder,
    env: { ...process.env, NODE_ENV: '', ...env },
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => (output += chunk));
  const ended = new Promise((resolve) => child.once('exit', resolve));
  onTestFinished(async () => {
    child.kill('SIGKILL');
    await ended;
  });
  return () => output;
}

/** Returns the URL that a server prints. */
async function urlOf(output) {
  await expect.poll(output, { timeout: 30_000 }).toMatch(/^http:\/\/localhost:\d+\n/);
  return `${output().trim().replace('localhost', '127.0.0.1')}/hubs/chat`;
}

it('the tutorial prints what it says', { timeout: 60_000 }, async () => {
  const url = await urlOf(run('server.ts'));
  const first = run('client.ts', { args: [url] });
  await expect.poll(first, { timeout: 30_000 }).toBe(printed);
  const second = run('client.ts', { args: [url, 'another'] });
  await expect.poll(second, { timeout: 30_000 }).toContain('members: 2\n');
  await expect.poll(first).toContain('said: hello from another\n');
});

it('the tutorial joins two clients on two nodes', { timeout: 90_000 }, async () => {
  const { 'redis-server': program } = await programs(['redis-server']);
  const port = await freePort();
  const redis = spawn(program, ['--port', String(port), '--bind', '127.0.0.1', '--save', ''], { stdio: 'ignore' });
  const ended = new Promise((resolve) => redis.once('exit', resolve));
  onTestFinished(async () => {
    redis.kill();
    await ended;
  });
  const env = (name) => ({ NODE_ID: name, PORT: '0', REDIS_URL: `redis://127.0.0.1:${port}` });
  const [one, two] = await Promise.all(['api-1', 'api-2'].map((name) => urlOf(run('node.ts', { env: env(name) }))));
  const ann = run('client.ts', { args: [one, 'Ann'] });
  await expect.poll(ann, { timeout: 30_000 }).toContain('history: hello from Ann\n');
  const bob = run('client.ts', { args: [two, 'Bob'] });
  await expect.poll(bob, { timeout: 30_000 }).toContain('members: 2\n');
  await expect.poll(ann).toContain('said: hello from Bob\n');
});
