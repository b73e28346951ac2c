/**
 * `npm run dotnet`: builds the C# programs of interop/dotnet, tries Microsoft's .NET client with our server and our client with ASP.NET
 * Core, and compares the tables in docs/interop.md with the result. `npm run dotnet -- --write` writes them instead. Other arguments are
 * Vitest's. Without the .NET SDK all its tests are skipped.
 */
import { spawnSync } from 'node:child_process';
import { install, ROOT } from './install.mjs';
import { runInterop } from './interop.mjs';

const SDK = 10;
/** A pattern that no title matches: Vitest then reports every test as skipped. */
const NO_TEST = ['--testNamePattern', '^$'];

function sdkVersion() {
  const { stdout, status } = spawnSync('dotnet', ['--version'], { encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

function build() {
  const args = ['build', 'interop/dotnet/Interop.slnx', '--configuration', 'Release', '--nologo', '-p:RestoreLockedMode=true'];
  return spawnSync('dotnet', args, { cwd: ROOT, stdio: 'inherit' }).status === 0;
}

install();
const options = { project: 'dotnet', command: 'npm run dotnet', args: process.argv.slice(2) };
const version = sdkVersion();
if (!version || Number.parseInt(version) < SDK) {
  console.log(`note: not run: there is no .NET SDK ${SDK} (found: ${version ?? 'none'})`);
  process.exitCode = await runInterop({ ...options, args: [...options.args, ...NO_TEST], hasTables: false });
} else {
  console.log(`note: .NET SDK ${version}`);
  process.exitCode = build() ? await runInterop(options) : 1;
}
