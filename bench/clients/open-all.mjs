/** Fewer than a server's backlog: a connection that does not fit there tries again after a second. */
const AT_ONCE = 200;

export async function openAll(count, open) {
  const opened = [];
  while (opened.length < count) {
    opened.push(...(await Promise.all(Array.from({ length: Math.min(AT_ONCE, count - opened.length) }, open))));
  }
  return opened;
}
