import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, closeSync, openSync, readFileSync, statSync } from 'node:fs';

export interface ProgramOptions {
  /** Appears in error messages. */
  readonly name: string;
  /** A path, or a name on the PATH. */
  readonly command: string;
  readonly args: readonly string[];
  /** Additions to the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
  /** The working directory. */
  readonly folder: string;
  /** The file to which its output is appended. */
  readonly log: string;
}

/** One run of a program, in a process group of its own. */
export class Program {
  readonly name: string;
  /** Resolves when the program has ended and the processes that it started are killed. Never rejects. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #log: string;
  readonly #logStart: number;
  #ending: string | undefined;

  constructor({ name, command, args, env, folder, log }: ProgramOptions) {
    this.name = name;
    this.#log = log;
    // A file and not a pipe: a program that writes to a pipe without a reader blocks or dies.
    const output = openSync(log, 'a');
    this.#logStart = statSync(log).size;
    this.#child = spawn(command, args, {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', output, output],
      detached: true,
    });
    closeSync(output);
    this.ended = new Promise((resolve) => {
      this.#child.once('error', (error) => {
        appendFileSync(log, `${error.message}\n`);
        this.#ending = 'did not start';
        resolve();
      });
      this.#child.once('exit', (code, signal) => {
        this.#ending = `ended with ${signal ?? `code ${code}`}`;
        this.#signalGroup('SIGKILL');
        resolve();
      });
    });
  }

  /** Undefined if the program could not be started. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** The reason of the end, such as `ended with SIGKILL`; undefined while it runs. */
  get ending(): string | undefined {
    return this.#ending;
  }

  /** The output of this run so far. */
  get output(): string {
    return readFileSync(this.#log).subarray(this.#logStart).toString();
  }

  /** Sends SIGSTOP to the program and the processes that it started. */
  freeze(): void {
    this.#signalGroup('SIGSTOP');
  }

  /** Sends SIGCONT to the same processes. */
  thaw(): void {
    this.#signalGroup('SIGCONT');
  }

  /** Sends SIGKILL, which also ends a frozen program. Resolves when it has ended. */
  async kill(): Promise<void> {
    if (!this.#ending) this.#signalGroup('SIGKILL');
    await this.ended;
  }

  /** Sends SIGTERM to the program alone. Resolves when it has ended, without a time limit. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.ended;
  }

  #signalGroup(signal: NodeJS.Signals): void {
    if (this.pid === undefined) return;
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // the group has no process left
    }
  }
}
