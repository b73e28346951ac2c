import { checkDuration, invalidOption } from '@hubline/protocol';

/** Checks a time that the program gives with a call; undefined stands for the default. @throws HublineError `invalid_option` */
export function checkMs(value: unknown, option: string): void {
  if (value !== undefined) checkDuration(option, value);
}

/** @throws HublineError `invalid_option` */
export function checkSignal(value: unknown): void {
  if (value !== undefined && !(value instanceof AbortSignal)) throw invalidOption('signal', 'must be an AbortSignal');
}
