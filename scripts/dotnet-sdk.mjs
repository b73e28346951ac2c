/** Finds the .NET SDK, which a part of the tests needs. Node built-ins only. */
import { spawnSync } from 'node:child_process';

const SDK = 10;
/** A pattern that no title matches: Vitest then reports every test as skipped. */
export const NO_TEST = ['--testNamePattern', '^$'];

/** Returns the version of the .NET SDK, and prints it. Without SDK 10 or newer it prints what was not run, and returns undefined. */
export function dotnetSdk() {
  const { stdout, status } = spawnSync('dotnet', ['--version'], { encoding: 'utf8' });
  const version = status === 0 ? stdout.trim() : undefined;
  const isSufficient = version !== undefined && Number.parseInt(version) >= SDK;
  console.log(isSufficient ? `note: .NET SDK ${version}` : `note: not run: there is no .NET SDK ${SDK} (found: ${version ?? 'none'})`);
  return isSufficient ? version : undefined;
}
