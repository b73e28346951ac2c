import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Collects garbage, and returns the bytes of the heap that are in use. */
export function heapInUse(): number {
  collectGarbage();
  return process.memoryUsage().heapUsed;
}
