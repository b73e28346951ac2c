import { expect } from 'vitest';

/** Returns the error that a call throws or rejects with, or a text if it does neither. */
export async function errorOf(call: () => unknown): Promise<unknown> {
  try {
    await call();
  } catch (error) {
    return error;
  }
  return 'nothing was refused';
}

/** Matches the error `invalid_option` of an option, with these details and a message that matches `text`. */
export const invalidOption = (
  option: string,
  { text = /^/, ...details }: { readonly text?: RegExp; readonly value?: unknown } = {},
): unknown =>
  expect.objectContaining({
    code: 'invalid_option',
    details: expect.objectContaining({ option, ...details }) as unknown,
    message: expect.stringMatching(text) as string,
  });
