import { inspect } from 'node:util';
import { Random } from './random.ts';

/** How many cases there are in all: 100,000 unless HUBLINE_FUZZ_CASES says otherwise. */
export const CASES = positive('HUBLINE_FUZZ_CASES', 100_000);
/** What they are made from. Always the same ones, so that a run that failed fails again; others with HUBLINE_FUZZ_SEED. */
export const SEED = positive('HUBLINE_FUZZ_SEED', 1);

function positive(name: string, otherwise: number): number {
  const value = Number(process.env[name] ?? otherwise);
  if (Number.isSafeInteger(value) && value > 0) return value;
  throw new Error(`${name} is no positive whole number: ${process.env[name]}`);
}

/** A machine may be busy; a server that waits for something that never comes is found out all the same. */
const PATIENCE_MS = 30_000;

/** A part of all cases, with numbers of its own: what others do does not change them. */
export interface Campaign {
  readonly name: string;
  readonly cases: number;
  random(index: number): Random;
  /** Says which case it was when something fails. */
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
