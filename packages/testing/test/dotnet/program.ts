import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The folder in which `scripts/dotnet.mjs` builds the programs of interop/dotnet. */
const BUILD = new URL('../../../../.hubline/dotnet/bin/', import.meta.url);

/** One of the C# programs of interop/dotnet. It ends when its input does, so it does not outlive this process. */
export class DotnetProgram implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exited: Promise<unknown>;
  #stderr = '';

  constructor(name: 'Client' | 'Server', args: readonly string[], receive: (line: string) => void) {
    const file = fileURLToPath(new URL(`${name}/release/Hubline.Interop.${name}.dll`, BUILD));
    this.#child = spawn('dotnet', [file, ...args], { stdio: 'pipe' });
    this.#exited = once(this.#child, 'exit');
    this.#child.stderr.on('data', (text: Buffer) => (this.#stderr += text.toString()));
    createInterface({ input: this.#child.stdout }).on('line', receive);
  }

  /** Rejects when the program ends, with its error output. */
  async failed(): Promise<never> {
    const [code] = (await this.#exited) as [number | null];
    throw new Error(`The .NET program has ended with ${code}: ${this.#stderr}`);
  }

  write(line: string): void {
    this.#child.stdin.write(`${line}\n`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.stdin.end();
    await this.#exited;
  }
}
