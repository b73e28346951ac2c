/** Resolves when `condition` is true. @throws Error after `timeoutMs` */
export async function until(condition, { what, timeoutMs = 20_000 }) {
  for (const end = performance.now() + timeoutMs; !(await condition()); await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (performance.now() > end) throw new Error(`${what} did not happen in ${timeoutMs} ms.`);
  }
}
