import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Program, type ProgramOptions } from './program.ts';
import { Watchdog } from './watchdog.ts';

/** Options of every function that starts a program. */
export interface ProcessSandboxOptions {
  /** The folder for the logs, where they are kept. Default: the temporary folder, which is deleted. */
  readonly logs?: string;
  /** `onTestFailed` of Vitest, or an equivalent. It receives a function that prints the end of every log. */
  readonly onTestFailed?: (print: () => void) => void;
}

/**
 * A temporary folder and the programs that run in it. The folder is deleted and the programs are killed when it is disposed of, and
 * when this process ends, however it ends.
 */
export class ProcessSandbox implements AsyncDisposable {
  readonly folder: string;
  readonly #logs: string;
  readonly #watchdog: Watchdog;
  readonly #running = new Set<Program>();
  readonly #logNames = new Set<string>();
  #finalLogs: string | undefined;

  constructor(name: string, { logs, onTestFailed }: ProcessSandboxOptions) {
    this.folder = mkdtempSync(join(tmpdir(), `hubline-${name}-`));
    this.#logs = logs ?? this.folder;
    mkdirSync(this.#logs, { recursive: true });
    this.#watchdog = new Watchdog(this.folder);
    onTestFailed?.(() => void process.stderr.write(this.#finalLogs ?? this.#logEnds()));
  }

  /** Starts a program, with `<name>.log` for its output. */
  run(options: Omit<ProgramOptions, 'folder' | 'log'> & Partial<Pick<ProgramOptions, 'folder'>>): Program {
    this.#logNames.add(options.name);
    const program = new Program({ folder: this.folder, ...options, log: this.#pathOf(options.name) });
    const { pid } = program;
    if (pid !== undefined) {
      this.#running.add(program);
      this.#watchdog.guard(pid);
      void program.ended.then(() => {
        this.#running.delete(program);
        this.#watchdog.release(pid);
      });
    }
    return program;
  }

  /** The output of all programs of this name so far. */
  log(name: string): string {
    const path = this.#pathOf(name);
    return existsSync(path) ? readFileSync(path, 'utf8') : '';
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#running].map((program) => program.kill()));
    this.#finalLogs ??= this.#logEnds();
    await this.#watchdog.close();
  }

  #pathOf(name: string): string {
    return join(this.#logs, `${name}.log`);
  }

  #logEnds(): string {
    return [...this.#logNames]
      .map((name) => `── ${this.#pathOf(name)}\n${this.log(name).split('\n').slice(-LINES_SHOWN).join('\n')}\n`)
      .join('');
  }
}

const LINES_SHOWN = 60;
