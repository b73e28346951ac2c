import { expect, it } from 'vitest';
import { backoff } from '../src/index.ts';

const cause = new Error('lost');

it.each([
  [0, 250],
  [1, 500],
  [6, 16_000],
  [7, 30_000],
  [2_000, 30_000],
])('the default delay of attempt %i is random between 0 and %i ms', (attempt, widestMs) => {
  for (const part of [0, 0.5, 0.999]) expect(backoff({ random: () => part }).nextDelayMs({ attempt, cause })).toBe(widestMs * part);
});

it('backoff returns null after its attempts', () => {
  const policy = backoff({ attempts: 2 });
  expect(policy.nextDelayMs({ attempt: 1, cause })).not.toBeNull();
  expect(policy.nextDelayMs({ attempt: 2, cause })).toBeNull();
});
