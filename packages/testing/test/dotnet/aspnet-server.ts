import { DotnetProgram } from './program.ts';

export interface AspNetServer extends AsyncDisposable {
  readonly url: string;
}

/** Starts the conformance server of ASP.NET Core; `redis` is the configuration of StackExchange.Redis: `localhost:6379`. */
export async function startAspNetServer({ redis }: { readonly redis?: string } = {}): Promise<AspNetServer> {
  let listening: (line: string) => void = () => undefined;
  const line = new Promise<string>((resolve) => (listening = resolve));
  const program = new DotnetProgram('Server', redis === undefined ? [] : ['--redis', redis], listening);
  const { url } = JSON.parse(await Promise.race([line, program.failed()])) as { readonly url: string };
  return { url, [Symbol.asyncDispose]: () => program[Symbol.asyncDispose]() };
}
