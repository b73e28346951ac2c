import { isHublineError, type AnyHublineError } from '@hubline/protocol';

/** Returns the HublineError that the action throws. Any other outcome fails the test. */
export function errorOf(action: () => unknown): AnyHublineError {
  try {
    action();
  } catch (error) {
    if (isHublineError(error)) return error;
    throw error;
  }
  throw new Error('Nothing was thrown.');
}
