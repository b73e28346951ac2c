/** Builds and starts the C# server of the benchmarks, bench/dotnet. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { startProgram } from './child.mjs';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../.hubline/dotnet/bin/Bench/release/Hubline.Bench.dll', import.meta.url));

/** Builds the program. @throws Error if there is no .NET SDK 10, or if the build fails */
export function buildDotnet() {
  const args = ['build', 'bench/dotnet/Bench.csproj', '--configuration', 'Release', '--nologo', '-p:RestoreLockedMode=true'];
  const { status, stdout, error } = spawnSync('dotnet', args, { cwd: ROOT, encoding: 'utf8' });
  if (status !== 0) throw new Error(`dotnet build failed (.NET SDK 10 is needed): ${error?.message ?? stdout}`);
}

export function startDotnet({ redisPort, isServerGc }) {
  const env = { DOTNET_gcServer: isServerGc ? '1' : '0', ASPNETCORE_ENVIRONMENT: 'Production' };
  return startProgram('dotnet', [PROGRAM, ...(redisPort === undefined ? [] : [String(redisPort)])], { env });
}
