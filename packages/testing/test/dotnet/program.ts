import { spawn, type ChildProcessWithoutNullStreams } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The folder in which `scripts/dotnet.mjs` builds the programs of interop/dotnet. */
const BUILD = new URL('../../../../.hubline/dotnet/bin/', import.meta.url);

/** Ends a program that does not read its input when that ends. */
const WITH_INPUT = ['-c', 'dotnet "$@" & cat > /dev/null; kill $!; wait', 'sh'];

/** A C# program of interop/dotnet. It ends when its input ends, so it does not outlive this process. */
export class DotnetProgram implements AsyncDisposable {
  readonly #child: ChildProcessWithoutNullStreams;
  readonly #exited: Promise<unknown>;
  #stderr = '';

  constructor(name: 'Client' | 'Server' | 'Example', args: readonly string[], receive: (line: string) => void) {
    const file = fileURLToPath(new URL(`${name}/release/Hubline.Interop.${name}.dll`, BUILD));
    const command = [file, ...args];
    this.#child = name === 'Example' ? spawn('sh', [...WITH_INPUT, ...command]) : spawn('dotnet', command);
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
