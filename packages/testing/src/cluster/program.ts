import { spawn, type ChildProcess } from 'node:child_process';
import { appendFileSync, closeSync, openSync, readFileSync, statSync } from 'node:fs';

export interface ProgramOptions {
  /** For messages. */
  readonly name: string;
  /** A path, or a name on the PATH. */
  readonly command: string;
  readonly args: readonly string[];
  /** Beside what this process has. */
  readonly env?: Readonly<Record<string, string>>;
  /** Its working directory. */
  readonly folder: string;
  /** The file that gets its output, after what is there. */
  readonly log: string;
}

/** One run of a program, in a process group of its own. */
export class Program {
  readonly name: string;
  /** Settles when it has ended and what it started is killed. Never rejects. */
  readonly ended: Promise<void>;
  readonly #child: ChildProcess;
  readonly #log: string;
  readonly #logStart: number;
  #ending: string | undefined;

  constructor({ name, command, args, env, folder, log }: ProgramOptions) {
    this.name = name;
    this.#log = log;
    // A file and not a pipe: nobody has to read it, and no program waits, or dies, because nobody does.
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

  /** Undefined where it did not start. */
  get pid(): number | undefined {
    return this.#child.pid;
  }

  /** `ended with SIGKILL`, say; undefined while it runs. */
  get ending(): string | undefined {
    return this.#ending;
  }

  /** The output of this run so far. */
  get output(): string {
    return readFileSync(this.#log).subarray(this.#logStart).toString();
  }

  /** SIGSTOP, for it and what it started. */
  freeze(): void {
    this.#signalGroup('SIGSTOP');
  }

  /** SIGCONT. */
  thaw(): void {
    this.#signalGroup('SIGCONT');
  }

  /** SIGKILL, which reaches a frozen one too. Resolves when it has ended. */
  async kill(): Promise<void> {
    if (!this.#ending) this.#signalGroup('SIGKILL');
    await this.ended;
  }

  /** SIGTERM, for it alone. Resolves when it has ended, how long that may take. */
  async stop(): Promise<void> {
    this.#child.kill('SIGTERM');
    await this.ended;
  }

  #signalGroup(signal: NodeJS.Signals): void {
    if (this.pid === undefined) return;
    try {
      process.kill(-this.pid, signal);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error; // nobody is left in it
    }
  }
}
