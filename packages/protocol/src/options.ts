import { HublineError } from './errors.ts';

/** Returns the options without those that are undefined, which stand for their defaults. */
export const given = <T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };

/**
 * Checks a duration: a number of milliseconds, from 0 to Infinity.
 * @throws HublineError `invalid_option` with the option and the value
 */
export function checkDuration(option: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0) return;
  throw new HublineError('invalid_option', `${option} cannot be ${String(value)}.`, { option, value });
}

/**
 * Runs `act` once after `ms` milliseconds. Returns a function that cancels it. Never runs it after more than 31 bits of milliseconds (24
 * days), Infinity included, for which setTimeout would fire at once.
 */
export function after(ms: number, act: () => void): () => void {
  const timer = ms <= 2 ** 31 - 1 ? setTimeout(act, ms) : undefined;
  return () => clearTimeout(timer);
}
