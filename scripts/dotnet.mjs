/**
 * `npm run dotnet`: builds the C# programs of interop/dotnet, installs Garnet, tries Microsoft's .NET client with our server, our client
 * with ASP.NET Core and our backplane with Garnet, and compares the tables in docs/interop.md with the result. `npm run dotnet -- --write`
 * writes them instead. Other arguments are Vitest's. Without the .NET SDK all its tests are skipped.
 */
import { spawnSync } from 'node:child_process';
import { dotnetSdk, NO_TEST } from './dotnet-sdk.mjs';
import { garnetServer } from './garnet-server.mjs';
import { install, ROOT } from './install.mjs';
import { runInterop } from './interop.mjs';

function build() {
  const args = ['build', 'interop/dotnet/Interop.slnx', '--configuration', 'Release', '--nologo', '-p:RestoreLockedMode=true'];
  return spawnSync('dotnet', args, { cwd: ROOT, stdio: 'inherit' }).status === 0;
}

install();
const options = { project: 'dotnet', command: 'npm run dotnet', args: process.argv.slice(2) };
if (!dotnetSdk()) {
  process.exitCode = await runInterop({ ...options, args: [...options.args, ...NO_TEST], hasTables: false });
} else {
  const garnet = garnetServer();
  process.env.HUBLINE_GARNET_SERVER = garnet ?? '';
  process.exitCode = garnet && build() ? await runInterop(options) : 1;
}
