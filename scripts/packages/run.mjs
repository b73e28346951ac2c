import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

/** Users' environment: Vitest sets NODE_ENV to test, and bundlers then take the modules for development. */
function userEnv() {
  const env = { ...process.env };
  delete env.NODE_ENV;
  return env;
}

/** The standard output of a Node program. @throws Error with its exit code and everything it printed */
export function runNode(args, { cwd, node = process.execPath, env = {} }) {
  const { status, stdout, stderr } = spawnSync(node, args, { cwd, encoding: 'utf8', timeout: 120_000, env: { ...userEnv(), ...env } });
  if (status === 0) return stdout;
  throw new Error(`node ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
}

/** The compiler's errors, none where it accepts the files. `compiler` is the folder of its package. */
export function compile(compiler, { cwd, files, options }) {
  const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const args = [`${compiler}/bin/tsc`, '--ignoreConfig', ...given, ...files];
  if (/typescript-5/.test(compiler)) args.splice(1, 1);
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', timeout: 120_000 });
  return status === 0 ? '' : stdout + stderr;
}

/** A server of the consumer, as it was compiled. It prints its URL, and ends with its standard input. */
export async function startServer(consumer, { node = process.execPath, program = 'out/node16/server.js' } = {}) {
  const child = spawn(node, [program, '.'], { cwd: consumer, stdio: ['pipe', 'pipe', 'inherit'], env: userEnv() });
  for await (const url of createInterface(child.stdout)) {
    return {
      url,
      async close() {
        const ended = new Promise((resolve) => child.once('exit', resolve));
        child.stdin.end();
        await ended;
      },
    };
  }
  throw new Error(`The server ended with ${child.exitCode}.`);
}
