/** Preloaded into a node: changes one place of one module, which HUBLINE_MUTATION names. */
import { register } from 'node:module';
import { isMainThread } from 'node:worker_threads';

if (isMainThread) register(import.meta.url); // Node loads this file again, in the thread of its hooks

const { file, find, replace } = JSON.parse(process.env.HUBLINE_MUTATION);
const built = file.replace('/src/', '/dist/').replace(/\.ts$/, '.js');

export async function load(url, context, next) {
  const loaded = await next(url, context);
  if (!url.endsWith(`/${built}`)) return loaded;
  const parts = String(loaded.source).split(find);
  if (parts.length !== 2) throw new Error(`${built} has the text to be changed ${parts.length - 1} times: ${find}`);
  return { ...loaded, source: parts.join(replace.replace('$&', () => find)) };
}
