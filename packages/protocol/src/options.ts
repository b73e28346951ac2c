import { HublineError } from './errors.ts';

/** The options that were given: one that is undefined means its default, everywhere. */
export const given = <T extends object>(options: T): { [K in keyof T]: Exclude<T[K], undefined> } =>
  Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)) as { [K in keyof T]: Exclude<T[K], undefined> };

/**
 * A duration is a number of milliseconds, from 0 on. Infinity is one, and never over; NaN is none.
 * @throws HublineError `invalid_option` with the option and the value
 */
export function checkDuration(option: string, value: unknown): void {
  if (typeof value === 'number' && value >= 0) return;
  throw new HublineError('invalid_option', `${option} cannot be ${String(value)}.`, { option, value });
}

/**
 * Runs `act` once after `ms` milliseconds; returns its undo. Infinity, and every time beyond the 31 bits that setTimeout takes (24
 * days), is never: setTimeout would fire at once.
 */
export function after(ms: number, act: () => void): () => void {
  const timer = ms <= 2 ** 31 - 1 ? setTimeout(act, ms) : undefined;
  return () => clearTimeout(timer);
}
