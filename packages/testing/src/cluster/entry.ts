import { createRequire } from 'node:module';
import { isAbsolute, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

/** A package that the user's project needs for a node is not installed there. */
export class MissingPackageError extends Error {
  override readonly name = 'MissingPackageError';
  readonly code = 'missing_package';
  /** The name of the package. */
  readonly package: string;
  /** The folder of the project. */
  readonly project: string;

  constructor(name: string, project: string, why: string) {
    super(`${why} Install it in the project: npm i -D ${name} (in ${project}).`);
    this.package = name;
    this.project = project;
  }
}

/** Returns the path of an entry: of a URL, or of a path from the folder of the project. */
export function entryPath(entry: string | URL, project: string): string {
  if (entry instanceof URL || entry.startsWith('file:')) return fileURLToPath(entry);
  return isAbsolute(entry) ? entry : resolve(project, entry);
}

/**
 * Returns the arguments with which Node.js runs an entry. TypeScript is run by the package `tsx` of the user's project; without it by Node.js
 * itself, if it strips types (22.18 and newer), or by the loader that NODE_OPTIONS or `execArgv` imports.
 * @throws MissingPackageError if nothing can run TypeScript
 */
export function loaderFor(path: string, { project, execArgv, env }: LoaderOptions): readonly string[] {
  if (!/\.[cm]?tsx?$/.test(path)) return [];
  if ([...execArgv, env.NODE_OPTIONS ?? ''].some((text) => /--(?:import|loader|require)\b/.test(text))) return [];
  const tsx = resolved('tsx', project);
  if (tsx !== undefined) return ['--import', pathToFileURL(tsx).href];
  if ((process.features as { readonly typescript?: unknown }).typescript) return []; // unknown to Node 20
  throw new MissingPackageError('tsx', project, `Node.js ${process.versions.node} runs ${path} with the package tsx only.`);
}

export interface LoaderOptions {
  /** The folder of the user's project. */
  readonly project: string;
  readonly execArgv: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
}

function resolved(name: string, project: string): string | undefined {
  try {
    return createRequire(join(project, 'package.json')).resolve(name);
  } catch {
    return undefined; // the caller reports it, if it is needed
  }
}
