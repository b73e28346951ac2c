import { spawn, spawnSync } from 'node:child_process';
import { createInterface } from 'node:readline';

/** The environment without the NODE_ENV of Vitest, with which bundlers choose the modules for development. */
function userEnv() {
  const env = { ...process.env };
  delete env.NODE_ENV;
  return env;
}

/** Runs a Node program and returns its standard output. @throws Error with its exit code and output */
export function runNode(args, { cwd, node = process.execPath, env = {} }) {
  const { status, stdout, stderr } = spawnSync(node, args, { cwd, encoding: 'utf8', timeout: 120_000, env: { ...userEnv(), ...env } });
  if (status === 0) return stdout;
  throw new Error(`node ${args.join(' ')} ended with ${status}:\n${stdout}${stderr}`);
}

/** Compiles files and returns the errors, an empty text if there are none. `compiler` is the folder of TypeScript's package. */
export function compile(compiler, { cwd, files, options }) {
  const given = Object.entries(options).flatMap(([name, value]) => [`--${name}`, String(value)]);
  const args = [`${compiler}/bin/tsc`, '--ignoreConfig', ...given, ...files];
  if (/typescript-5/.test(compiler)) args.splice(1, 1);
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd, encoding: 'utf8', timeout: 120_000 });
  return status === 0 ? '' : stdout + stderr;
}

/** Starts a compiled server of the consumer. It prints its URL, and ends when its standard input ends. */
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
