import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { ProcessSandbox, type ProcessSandboxOptions } from '../cluster/process-sandbox.ts';
import type { Program } from '../cluster/program.ts';
import { onStablePort } from '../cluster/stable-port.ts';
import { until } from '../until.ts';
import { selfSigned } from './certificate.ts';
import { Monitor } from './monitor.ts';

export interface RedisOptions extends ProcessSandboxOptions {
  /** A path, or a name on the PATH. Default: HUBLINE_REDIS_SERVER, else `redis-server`. */
  readonly program?: string;
  /** Its name in messages and of its log. Default `redis`. */
  readonly name?: string;
  /** More arguments: `['--maxmemory', '10mb']`. */
  readonly args?: readonly string[];
  /** For everybody, without a user's name. */
  readonly password?: string;
  /** The only user there is, who may do everything. */
  readonly user?: { readonly name: string; readonly password: string };
  /** Speaks TLS and nothing else, with a certificate of its own. */
  readonly tls?: boolean;
}

/** A Redis of its own, on 127.0.0.1: no configuration file, nothing kept. */
export function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return startServer(options);
}

/** With a configuration it is a Sentinel, which keeps there what it learns. */
export function startServer(options: RedisOptions, sentinel?: string): Promise<RedisServer> {
  return onStablePort(async (port) => {
    const server = new RedisServer(port, options, sentinel);
    try {
      await server.start();
      return server;
    } catch (error) {
      await server[Symbol.asyncDispose]();
      throw error;
    }
  });
}

export class RedisServer implements AsyncDisposable {
  readonly name: string;
  readonly port: number;
  /** `redis://127.0.0.1:20000`, with who may enter; `rediss:` with TLS. */
  readonly url: string;
  /** The certificate that clients have to trust, as PEM, with TLS. */
  readonly ca: string | undefined;
  readonly #options: RedisOptions;
  readonly #sandbox: ProcessSandbox;
  /** The configuration file of a Sentinel. */
  readonly #file: string | undefined;
  /** Of connections of ours, which {@link Monitor} leaves out. */
  readonly #ownPorts = new Set<number>();
  #program: Program | undefined;
  #isPaused = false;

  constructor(port: number, options: RedisOptions, sentinel?: string) {
    const { name = 'redis', password, user, tls = false } = options;
    this.name = name;
    this.port = port;
    const login = user ?? (password === undefined ? undefined : { name: '', password });
    const credentials = login ? `${encodeURIComponent(login.name)}:${encodeURIComponent(login.password)}@` : '';
    this.url = `${tls ? 'rediss' : 'redis'}://${credentials}127.0.0.1:${port}`;
    this.#options = options;
    this.#sandbox = new ProcessSandbox(name, options);
    if (tls) {
      const { key, certificate } = selfSigned();
      this.ca = certificate;
      writeFileSync(join(this.#sandbox.folder, 'key.pem'), key);
      writeFileSync(join(this.#sandbox.folder, 'certificate.pem'), certificate);
    }
    if (sentinel !== undefined) {
      this.#file = join(this.#sandbox.folder, 'sentinel.conf');
      writeFileSync(this.#file, sentinel);
    }
  }

  /** Paused or not. */
  get isRunning(): boolean {
    return this.#program !== undefined && this.#program.ending === undefined;
  }

  get isPaused(): boolean {
    return this.isRunning && this.#isPaused;
  }

  /** Its output so far. */
  get log(): string {
    return this.#sandbox.log(this.name);
  }

  get pid(): number | undefined {
    return this.#program?.pid;
  }

  /** Starts it, empty and on the same port as ever. Resolves when it answers. */
  async start(): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs already.`);
    const { program = process.env.HUBLINE_REDIS_SERVER ?? 'redis-server', args = [], password, user } = this.#options;
    this.#isPaused = false;
    rmSync(join(this.#sandbox.folder, 'dump.rdb'), { force: true }); // a replica keeps the file from which it was synchronised
    const run = this.#sandbox.run({
      name: this.name,
      command: program,
      args: [
        ...(this.#file === undefined ? [] : [this.#file, '--sentinel']),
        ...['--bind', '127.0.0.1', '--dir', this.#sandbox.folder],
        ...(this.ca === undefined ? ['--port', String(this.port)] : [...TLS, '--port', '0', '--tls-port', String(this.port)]),
        ...['--save', '', '--appendonly', 'no', '--daemonize', 'no'],
        ...(password === undefined ? [] : ['--requirepass', password, '--masterauth', password]),
        ...(user ? ['--user', 'default', 'off', '--user', user.name, 'on', `>${user.password}`, '~*', '&*', '+@all'] : []),
        ...args,
      ],
    });
    this.#program = run;
    const answer = until(async () => run.ending ?? (await this.call('PING')) === 'PONG', { timeoutMs: STARTED_MS });
    if (typeof (await answer) === 'string') throw new Error(`${this.name} ${run.ending}:\n${run.output}`);
  }

  /** SIGKILL: what it knew is lost. */
  async stop(): Promise<void> {
    await this.#program?.kill();
  }

  /** SIGSTOP: connections stay, new ones are taken by the system, and nothing is answered. */
  pause(): void {
    this.#isPaused = true;
    this.#program?.freeze();
  }

  /** SIGCONT. */
  resume(): void {
    this.#isPaused = false;
    this.#program?.thaw();
  }

  /** FLUSHALL. */
  async flush(): Promise<void> {
    await this.call('FLUSHALL');
  }

  /** Sends one command on a connection of its own. @throws Error what Redis, or the connection, says */
  call(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return this.#talk((link) => link.call(command, [...args]));
  }

  /** The names of the keys there are, in order. */
  keys(pattern = '*'): Promise<readonly string[]> {
    return this.#talk(async (link) => {
      const keys = new Set<string>();
      let cursor = '0';
      do {
        const [next, found] = await link.scan(cursor, 'MATCH', pattern, 'COUNT', 1000);
        for (const key of found) keys.add(key);
        cursor = next;
      } while (cursor !== '0');
      return [...keys].sort();
    });
  }

  /** A number of INFO: `used_memory`, `total_net_output_bytes`, `connected_clients`. */
  async info(field: string): Promise<number> {
    const value = new RegExp(`^${field}:(\\d+)`, 'm').exec(String(await this.call('INFO', 'everything')))?.[1];
    if (value === undefined) throw new Error(`INFO has no number ${field}.`);
    return Number(value);
  }

  /** Bytes in use. */
  memory(): Promise<number> {
    return this.info('used_memory');
  }

  /** From now on: every command that it executes, but for those of this class. */
  monitor(): Promise<Monitor> {
    return this.#talk(async (link) => new Monitor(await link.monitor(), this.#ownPorts));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#sandbox[Symbol.asyncDispose]();
  }

  async #talk<T>(say: (link: Redis) => Promise<T>): Promise<T> {
    const link = new Redis(this.url, {
      lazyConnect: true,
      retryStrategy: () => null,
      maxRetriesPerRequest: 0,
      autoResendUnfulfilledCommands: false,
      enableReadyCheck: false,
      disableClientInfo: true,
      commandTimeout: ANSWER_MS,
      ...(this.ca === undefined ? {} : { tls: { ca: this.ca } }),
    });
    link.on('error', () => undefined); // whoever waits for the answer hears it
    link.on('connect', () => this.#ownPorts.add(link.stream.localPort ?? 0)); // before the first command
    try {
      await link.connect();
      return await say(link);
    } finally {
      link.disconnect();
    }
  }
}

const TLS = [
  '--tls-cert-file',
  'certificate.pem',
  '--tls-key-file',
  'key.pem',
  '--tls-ca-cert-file',
  'certificate.pem',
  '--tls-auth-clients',
  'no',
];
const STARTED_MS = 10_000;
const ANSWER_MS = 10_000;
