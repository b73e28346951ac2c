import { inspect } from 'node:util';
import { Random } from './random.ts';

/** The number of all cases. Default: 100,000; the variable HUBLINE_FUZZ_CASES sets it. */
export const CASES = positive('HUBLINE_FUZZ_CASES', 100_000);
/** The seed of the cases, set by HUBLINE_FUZZ_SEED. The default is constant, so that a failed run fails again. */
export const SEED = positive('HUBLINE_FUZZ_SEED', 1);

function positive(name: string, otherwise: number): number {
  const value = Number(process.env[name] ?? otherwise);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`${name} is no positive whole number: ${process.env[name]}`);
}

/** The time limit of a case. It is long, since a machine may be busy; a hanging server exceeds it anyway. */
const PATIENCE_MS = 30_000;

/** A part of the cases, with its own random numbers, so that other parts do not change it. */
export interface Campaign {
  readonly name: string;
  readonly cases: number;
  random(index: number): Random;
  /** Runs a case, and adds the case to its error. */
  attempt<T>(index: number, what: unknown, run: () => T | Promise<T>): Promise<T>;
}

/** `share` is in thousandths. */
export function campaign(name: string, share: number): Campaign {
  const salt = [...name].reduce((sum, letter) => Math.imul(sum, 31) + letter.charCodeAt(0), 0);
  return {
    name,
    cases: Math.max(50, Math.ceil((CASES * share) / 1000)), // fewer would prove little
    random: (index) => new Random(SEED, salt, index),
    async attempt(index, what, run) {
      let fail = (_error: Error): void => undefined;
      const stuck = new Promise<never>((_, reject) => (fail = reject));
      const timer = setTimeout(() => fail(new Error(`Neither an answer nor an end in ${PATIENCE_MS} ms.`)), PATIENCE_MS);
      try {
        return await Promise.race([run(), stuck]);
      } catch (cause) {
        const hint = `npm run fuzz -- --seed ${SEED}${CASES === 100_000 ? '' : ` --cases ${CASES}`}`;
        throw new Error(`${name}, case ${index} (${hint}): ${String(cause)}\n${inspect(what, { maxStringLength: 1500 })}`, { cause });
      } finally {
        clearTimeout(timer);
      }
    },
  };
}
