import { checkDuration, invalidOption } from '@hubline/protocol';

/** Checks a time that the program gives with a call; undefined stands for the default. @throws HublineError `invalid_option` */
export function checkMs(value: unknown, option: string): void {
  if (value !== undefined) checkDuration(option, value);
}

/** @throws HublineError `invalid_option` */
export function checkSignal(value: unknown): void {
  if (value !== undefined && !(value instanceof AbortSignal)) throw invalidOption('signal', 'must be an AbortSignal');
}

/** @throws HublineError `invalid_option` */
export function checkBackplane(backplane: unknown): void {
  const isBackplane = typeof backplane === 'object' && backplane !== null && 'open' in backplane && typeof backplane.open === 'function';
  if (backplane !== undefined && !isBackplane) throw invalidOption('backplane', 'must be a backplane, such as redisBackplane() gives');
}
