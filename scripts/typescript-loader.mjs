/**
 * Lets Node run the TypeScript sources of the workspace: `node --conditions=hubline-source --import ./scripts/typescript-loader.mjs x.ts`.
 * Processes that tests start thus run the same code as the tests. It strips types and checks none.
 */
import { Buffer } from 'node:buffer';
import { readFile } from 'node:fs/promises';
import { register } from 'node:module';
import { fileURLToPath } from 'node:url';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) register(import.meta.url); // Node loads this file again, in the thread of its hooks

let transform;

export async function load(url, context, next) {
  if (!url.startsWith('file:') || !url.endsWith('.ts')) return next(url, context);
  transform ??= (await import('rolldown/utils')).transformSync;
  const path = fileURLToPath(url);
  const { code, errors, map } = transform(path, await readFile(path, 'utf8'), { sourcemap: true });
  if (errors.length > 0) throw new SyntaxError(`${path}: ${errors[0].message}`);
  const comment = `//# sourceMappingURL=data:application/json;base64,${Buffer.from(JSON.stringify(map)).toString('base64')}`;
  return { format: 'module', source: `${code}\n${comment}`, shortCircuit: true };
}
