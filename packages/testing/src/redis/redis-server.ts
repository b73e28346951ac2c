import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Redis } from 'ioredis';
import { ProcessSandbox, type ProcessSandboxOptions } from '../cluster/process-sandbox.ts';
import type { Program } from '../cluster/program.ts';
import { onStablePort } from '../cluster/stable-port.ts';
import { until } from '../until.ts';
import { selfSigned } from './certificate.ts';
import { Monitor } from './monitor.ts';
import { serverArguments } from './server-arguments.ts';

export interface RedisOptions extends ProcessSandboxOptions {
  /** The program: a path, or a name on the PATH. Default: HUBLINE_REDIS_SERVER, or else `redis-server`. */
  readonly program?: string;
  /** The name in error messages and of the log. Default `redis`. */
  readonly name?: string;
  /** Further arguments: `['--maxmemory', '10mb']`. */
  readonly args?: readonly string[];
  /** The password of the default user. */
  readonly password?: string;
  /** The only user, with all permissions. */
  readonly user?: { readonly name: string; readonly password: string };
  /** Whether it accepts only TLS, with a self-signed certificate. Default false. */
  readonly tls?: boolean;
}

/** The program that runs with these options. */
export const programOf = ({ program = process.env.HUBLINE_REDIS_SERVER ?? 'redis-server' }: Pick<RedisOptions, 'program'> = {}): string =>
  program;

/** Starts a Redis on a free port of 127.0.0.1, without a configuration file and without persistence. */
export function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  return startServer(options);
}

/** Starts a Redis or, with a configuration, a Sentinel, which updates the configuration file. */
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
  /** `redis://127.0.0.1:20000` with the credentials; `rediss:` with TLS. */
  readonly url: string;
  /** The certificate (PEM) that clients have to trust; only with TLS. */
  readonly ca: string | undefined;
  readonly #options: RedisOptions;
  readonly #sandbox: ProcessSandbox;
  /** The configuration file of a Sentinel. */
  readonly #file: string | undefined;
  /** The ports of the last connections of this class, which {@link Monitor} omits. An application may get an earlier port. */
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

  /** Whether the process runs, paused or not. */
  get isRunning(): boolean {
    return this.#program !== undefined && this.#program.ending === undefined;
  }

  get isPaused(): boolean {
    return this.isRunning && this.#isPaused;
  }

  /** The output so far. */
  get log(): string {
    return this.#sandbox.log(this.name);
  }

  get pid(): number | undefined {
    return this.#program?.pid;
  }

  /** Starts the server empty on its port. Resolves when it answers. */
  async start(): Promise<void> {
    if (this.isRunning) throw new Error(`${this.name} runs already.`);
    const { args = [], password, user } = this.#options;
    const program = programOf(this.#options);
    this.#isPaused = false;
    rmSync(join(this.#sandbox.folder, 'dump.rdb'), { force: true }); // a replica leaves the file from which it was synchronised
    const run = this.#sandbox.run({
      name: this.name,
      command: program,
      args: [
        ...(this.#file === undefined ? [] : [this.#file, '--sentinel']),
        ...serverArguments(program, { port: this.port, folder: this.#sandbox.folder, password, user, isTls: this.ca !== undefined }),
        ...args,
      ],
    });
    this.#program = run;
    const answer = until(async () => run.ending ?? (await this.call('PING')) === 'PONG', { timeoutMs: STARTED_MS });
    if (typeof (await answer) === 'string') throw new Error(`${this.name} ${run.ending}:\n${run.output}`);
  }

  /** Kills the server (SIGKILL), which loses all data. */
  async stop(): Promise<void> {
    await this.#program?.kill();
  }

  /** Pauses the server (SIGSTOP): connections stay, the system accepts new ones, and no command is answered. */
  pause(): void {
    this.#isPaused = true;
    this.#program?.freeze();
  }

  /** Resumes the server (SIGCONT). */
  resume(): void {
    this.#isPaused = false;
    this.#program?.thaw();
  }

  /** Sends FLUSHALL. */
  async flush(): Promise<void> {
    await this.call('FLUSHALL');
  }

  /** Sends one command on a connection of its own. @throws Error of Redis or of the connection */
  call(command: string, ...args: readonly (string | number)[]): Promise<unknown> {
    return this.#withConnection((link) => link.call(command, [...args]));
  }

  /** The sorted names of the keys. */
  keys(pattern = '*'): Promise<readonly string[]> {
    return this.#withConnection(async (link) => {
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

  /** A numeric field of INFO: `used_memory`, `total_net_output_bytes`, `connected_clients`. */
  async info(field: string): Promise<number> {
    const value = new RegExp(`^${field}:(\\d+)`, 'm').exec(String(await this.call('INFO', 'everything')))?.[1];
    if (value === undefined) throw new Error(`INFO has no number ${field}.`);
    return Number(value);
  }

  /** The memory in use, in bytes. */
  memory(): Promise<number> {
    return this.info('used_memory');
  }

  /** Starts to collect the executed commands, without those of this class. */
  monitor(): Promise<Monitor> {
    return this.#withConnection(async (link) => new Monitor(await link.monitor(), this.#ownPorts));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#sandbox[Symbol.asyncDispose]();
  }

  async #withConnection<T>(say: (link: Redis) => Promise<T>): Promise<T> {
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
    link.on('error', () => undefined); // the pending command rejects with it
    link.on('connect', () => this.#addOwnPort(link.stream.localPort ?? 0)); // before the first command
    try {
      await link.connect();
      return await say(link);
    } finally {
      link.disconnect();
    }
  }

  #addOwnPort(port: number): void {
    this.#ownPorts.add(port);
    const [oldest] = this.#ownPorts;
    if (oldest !== undefined && this.#ownPorts.size > OWN_PORTS) this.#ownPorts.delete(oldest);
  }
}

/** A Garnet takes seconds to start, and longer than ten on a busy machine. */
const STARTED_MS = 30_000;
const ANSWER_MS = 10_000;
const OWN_PORTS = 1000;
