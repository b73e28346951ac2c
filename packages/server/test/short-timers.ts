/**
 * Resolves when a timer that is too long for Node has fired: Node runs it after 1 ms, and timers of 1 ms in the order in which they were set.
 * Three times, so that what the first one causes has been handled too.
 */
export async function shortTimersHaveFired(): Promise<void> {
  // eslint-disable-next-line no-restricted-syntax -- the order of timers is the condition
  for (let i = 0; i < 3; i++) await new Promise((resolve) => setTimeout(resolve, 1));
}
