/** Installs Microsoft's Garnet, a .NET tool that runs without other programs, in a folder that the repository ignores. */
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { ROOT } from './install.mjs';

export const GARNET_VERSION = '2.2.8';

/** Returns the path of the Garnet server, which the .NET SDK installs if it is missing; undefined if that fails. */
export function garnetServer() {
  const folder = `${ROOT}.hubline/garnet/${GARNET_VERSION}`;
  const path = `${folder}/garnet-server`;
  if (existsSync(path)) return path;
  const args = ['tool', 'install', 'garnet-server', '--version', GARNET_VERSION, '--tool-path', folder];
  const { status } = spawnSync('dotnet', args, { stdio: 'inherit' });
  return status === 0 ? path : undefined;
}
