import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';
import { until } from './until.ts';

/** A running load balancer in front of running nodes. */
export interface Balancer extends AsyncDisposable {
  readonly url: string;
  /** Its output so far, for error reports. */
  readonly log: () => string;
}

export interface BalancerOptions {
  /** The program: a path, or a name on the PATH. */
  readonly program: string;
  /** The path of a configuration such as those in `deploy/`: port 4000 is the balancer, ports 4001 … are the nodes. */
  readonly configuration: string;
  /** The ports of the nodes, which replace 4001 … in order. */
  readonly nodes: readonly number[];
}

const isRoot = process.getuid?.() === 0;

/** The arguments and configuration with which each program stays in the foreground and keeps its files in one folder. */
const KINDS = {
  nginx: {
    adapt: (text: string, folder: string) =>
      text.replace(
        'http {',
        `http {\n    access_log off;\n${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
          .map((name) => `    ${name}_temp_path ${folder}/${name};`)
          .join('\n')}`,
      ),
    args: (file: string, folder: string) => [
      '-p',
      folder,
      '-c',
      file,
      '-e',
      'stderr',
      '-g',
      `daemon off; pid ${folder}/pid;${isRoot ? ' user root;' : ''}`,
    ],
  },
  haproxy: {
    adapt: (text: string) => text,
    args: (file: string) => ['-db', '-f', file],
  },
};

/** Starts a balancer on free ports. Resolves when it accepts connections. @throws Error with its output if it does not within 10 s */
export async function startBalancer(kind: keyof typeof KINDS, { program, configuration, nodes }: BalancerOptions): Promise<Balancer> {
  const port = await freePort();
  const folder = await mkdtemp(join(tmpdir(), `hubline-${kind}-`));
  const file = join(folder, 'configuration');
  const ports = [port, ...nodes];
  const text = (await readFile(configuration, 'utf8')).replace(
    /127\.0\.0\.1:(400\d)/g,
    (_, written) => `127.0.0.1:${ports[Number(written) - 4000]}`,
  );
  await writeFile(file, KINDS[kind].adapt(text, folder));
  let log = '';
  const child = spawn(program, KINDS[kind].args(file, folder), { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.on('data', (chunk) => (log += String(chunk)));
  child.stderr.on('data', (chunk) => (log += String(chunk)));
  const balancer: Balancer = {
    url: `http://127.0.0.1:${port}`,
    log: () => log,
    async [Symbol.asyncDispose]() {
      await stop(child);
      await rm(folder, { recursive: true });
    },
  };
  try {
    await until(() => answers(port, child), { timeoutMs: 10_000 });
  } catch (cause) {
    await balancer[Symbol.asyncDispose]();
    throw new Error(`${kind} does not answer. Its output:\n${log}`, { cause });
  }
  return balancer;
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null || child.pid === undefined) return;
  child.kill('SIGTERM');
  await once(child, 'exit');
}

function answers(port: number, child: ChildProcess): Promise<boolean> {
  if (child.exitCode !== null) throw new Error(`The process ended with code ${child.exitCode}.`);
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    socket.on('connect', () => (socket.destroy(), resolve(true)));
    socket.on('error', () => resolve(false));
  });
}
