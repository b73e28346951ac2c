/** Assertions for behaviours. They run in browsers too, without Vitest and `node:assert`. */

/** @throws Error if the two differ */
export function same(actual: unknown, expected: unknown): void {
  if (!isSame(actual, expected)) throw new Error(`Expected ${show(expected)}, got ${show(actual)}.`);
}

/** @throws Error if the promise resolves, or rejects with another text */
export async function rejects(promise: Promise<unknown>, text: string): Promise<void> {
  const [outcome] = await Promise.allSettled([promise]);
  if (outcome.status === 'fulfilled') throw new Error(`The promise resolved with ${show(outcome.value)}.`);
  const error: unknown = outcome.reason;
  const message = error instanceof Error ? error.message : String(error);
  if (!message.includes(text)) throw new Error(`Expected an error with "${text}", got "${message}".`, { cause: error });
}

/** A promise that is settled from outside. */
export class Deferred<T = void> {
  resolve: (value: T) => void = () => undefined;
  reject: (error: unknown) => void = () => undefined;
  readonly promise = new Promise<T>((resolve, reject) => {
    this.resolve = resolve;
    this.reject = reject;
  });

  constructor() {
    this.promise.catch(() => undefined); // code that awaits it receives the rejection
  }
}

function isSame(a: unknown, b: unknown): boolean {
  if (a instanceof Uint8Array && b instanceof Uint8Array) return a.length === b.length && a.every((byte, at) => byte === b[at]);
  if (a instanceof Date && b instanceof Date) return a.getTime() === b.getTime();
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return Object.is(a, b);
  const [left, right] = [Object.entries(a), new Map(Object.entries(b))];
  const isSameKind = Array.isArray(a) === Array.isArray(b) && ArrayBuffer.isView(a) === ArrayBuffer.isView(b);
  return isSameKind && left.length === right.size && left.every(([key, value]) => right.has(key) && isSame(value, right.get(key)));
}

const show = (value: unknown): string => JSON.stringify(value) ?? String(value);
