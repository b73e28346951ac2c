import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { until } from '../until.ts';
import type { ProcessSandbox } from './process-sandbox.ts';
import type { Program } from './program.ts';
import type { TcpProxy } from './proxy.ts';

export interface ClusterNodeOptions {
  readonly nodeId: string;
  readonly port: number;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  /** The working directory. */
  readonly folder: string;
  /** The proxy between the node and its Redis. */
  readonly link: TcpProxy | undefined;
  readonly sandbox: ProcessSandbox;
  readonly startedMs: number;
}

/** The line of JSON that a node prints when it is ready. */
export interface Announcement {
  readonly url: string;
  readonly [field: string]: unknown;
}

/** A node in a process of its own. */
export class ClusterNode {
  readonly nodeId: string;
  readonly port: number;
  readonly #options: ClusterNodeOptions;
  /** The folder through which the preloaded `node-agent.ts` gets its orders. */
  readonly #orders: string;
  #program: Program | undefined;
  #announcement: Announcement | undefined;

  constructor(options: ClusterNodeOptions) {
    this.nodeId = options.nodeId;
    this.port = options.port;
    this.#options = options;
    this.#orders = join(options.sandbox.folder, `${options.nodeId}-${options.port}`);
    mkdirSync(this.#orders, { recursive: true });
  }

  /** The process id of the current or last run. */
  get pid(): number | undefined {
    return this.#program?.pid;
  }

  get isRunning(): boolean {
    return this.#program !== undefined && this.#program.ending === undefined;
  }

  /** The announcement of the last start. @throws Error if the node was never ready */
  get announcement(): Announcement {
    if (!this.#announcement) throw new Error(`${this.nodeId} was never ready.`);
    return this.#announcement;
  }

  get url(): string {
    return this.announcement.url;
  }

  /** The proxy between the node and its Redis. @throws Error without `backplane: 'redis'` */
  get link(): TcpProxy {
    const { link } = this.#options;
    if (!link) throw new Error(`${this.nodeId} has no link of its own: start the cluster with backplane 'redis'.`);
    return link;
  }

  /** The output of all runs so far. */
  get log(): string {
    return this.#options.sandbox.log(this.nodeId);
  }

  /** Starts the process. Resolves when it prints its announcement. @throws Error with its output if it ends or takes too long */
  async start(): Promise<void> {
    if (this.isRunning) throw new Error(`${this.nodeId} runs already.`);
    const { command, args, env, folder, sandbox, startedMs } = this.#options;
    for (const order of ['block', 'skew']) rmSync(join(this.#orders, order), { force: true });
    const program = sandbox.run({ name: this.nodeId, command, args, folder, env: { ...env, HUBLINE_NODE_FOLDER: this.#orders } });
    this.#program = program;
    try {
      const ready = await until(() => announcementIn(program.output) ?? program.ending, { timeoutMs: startedMs, intervalMs: 10 });
      if (typeof ready === 'string') throw new Error(ready);
      this.#announcement = ready;
    } catch (cause) {
      throw new Error(`${this.nodeId} is not ready: ${String(cause)}\n${program.output}`, { cause });
    }
  }

  /** Sends SIGKILL, which also ends a frozen process. Resolves when the process has ended. */
  async kill(): Promise<void> {
    await this.#program?.kill();
  }

  /** Sends SIGTERM. Resolves when the process has ended. */
  async stop(): Promise<void> {
    await this.#program?.stop();
  }

  /** Kills the process if it runs, and starts it with the same arguments on the same port. */
  async restart(): Promise<void> {
    await this.kill();
    await this.start();
  }

  /** Sends SIGSTOP: the process stops running and keeps its connections. */
  freeze(): void {
    this.#program?.freeze();
  }

  /** Sends SIGCONT. */
  thaw(): void {
    this.#program?.thaw();
  }

  /** Blocks the event loop until {@link unblock}. Resolves when it is blocked. */
  async block(): Promise<void> {
    writeFileSync(join(this.#orders, 'block'), '');
    await this.#order('block');
  }

  unblock(): void {
    rmSync(join(this.#orders, 'block'), { force: true });
  }

  /**
   * Sets the clock of the process wrong by `ms`, until it is restarted: `Date` is replaced. Timers, `performance.now()` and references to `Date`
   * that the program kept are not affected. 0 sets it right.
   */
  async skew(ms: number): Promise<void> {
    writeFileSync(join(this.#orders, 'skew'), String(ms));
    await this.#order(`skew ${ms}`);
    rmSync(join(this.#orders, 'skew'));
  }

  /** Lets the agent read its orders, and waits for its confirmation. */
  async #order(confirmation: string): Promise<void> {
    if (this.pid === undefined || !this.isRunning) throw new Error(`${this.nodeId} does not run.`);
    const done = join(this.#orders, 'done');
    rmSync(done, { force: true });
    process.kill(this.pid, 'SIGUSR2');
    await until(() => existsSync(done) && readFileSync(done, 'utf8') === confirmation);
  }

  /**
   * Calls the API of the server through `POST /control`, which the default entry (the conformance server) has.
   * @throws Error with the `code` of the node's error; TimeoutError if the node does not answer
   */
  async ask<T = unknown>(op: string, args: readonly unknown[] = [], { hub, timeoutMs = 10_000 }: AskOptions = {}): Promise<T> {
    const response = await fetch(`${this.url}/control`, {
      method: 'POST',
      body: JSON.stringify({ hub, op, args }),
      signal: AbortSignal.timeout(timeoutMs),
    });
    const { value, error } = (await response.json()) as { value: T; error?: { code: string; message: string } };
    if (error) throw Object.assign(new Error(`${this.nodeId}: ${error.message}`), { code: error.code });
    return value;
  }
}

export interface AskOptions {
  /** Default `testhub`. */
  readonly hub?: string;
  /** Default 10,000. */
  readonly timeoutMs?: number;
}

function announcementIn(output: string): Announcement | undefined {
  for (const line of output.split('\n').slice(0, -1)) {
    if (!line.startsWith('{')) continue;
    try {
      const parsed: unknown = JSON.parse(line);
      if (typeof (parsed as { url?: unknown }).url === 'string') return parsed as Announcement;
    } catch {
      continue; // another output that begins with a brace
    }
  }
  return undefined;
}
