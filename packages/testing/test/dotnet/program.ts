import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The folder in which `scripts/dotnet.mjs` builds the programs of interop/dotnet. */
const BUILD = new URL('../../../../.hubline/dotnet/bin/', import.meta.url);

export type ProgramName = 'Client' | 'Server' | 'Example' | 'Raw' | 'ConsoleChat' | 'WebChat';

/** Returns the folder of a program. */
export const folderOf = (name: ProgramName): string => fileURLToPath(new URL(`${name}/release/`, BUILD));

/** The programs that do not read their input. */
const WITHOUT_INPUT: readonly ProgramName[] = ['Example', 'WebChat'];

/** Ends such a program when its input ends. */
const WITH_INPUT = ['-c', 'dotnet "$@" & cat > /dev/null; kill $!; wait', 'sh'];

/** A C# program of interop/dotnet. It ends when its input ends, so it does not outlive this process. */
export class DotnetProgram implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exited: Promise<unknown>;
  /** Resolves when all lines were received too. */
  readonly #closed: Promise<unknown>;
  #stderr = '';

  constructor(name: ProgramName, args: readonly string[], receive: (line: string) => void) {
    const command = [`${folderOf(name)}Hubline.Interop.${name}.dll`, ...args];
    this.#child = WITHOUT_INPUT.includes(name) ? spawn('sh', [...WITH_INPUT, ...command]) : spawn('dotnet', command);
    this.#exited = once(this.#child, 'exit');
    this.#closed = once(this.#child, 'close');
    this.#child.stderr.on('data', (text: Buffer) => (this.#stderr += text.toString()));
    createInterface({ input: this.#child.stdout }).on('line', receive);
  }

  /** Rejects when the program ends, with its error output. */
  async failed(): Promise<never> {
    const [code] = (await this.#exited) as [number | null];
    throw new Error(`The .NET program has ended with ${code}: ${this.#stderr}`);
  }

  /** Resolves when the program has ended by itself. @throws Error with its error output if it has failed */
  async ended(): Promise<void> {
    const [code] = (await this.#closed) as [number | null];
    if (code !== 0) await this.failed();
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#exited;
  }
}
