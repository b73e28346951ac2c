/** Fewer than a server's backlog: a connection beyond it would try again after a second. */
const AT_ONCE = 200;

/** Opens `count` connections. `open` gets the index of each. */
export async function openAll(count, open) {
  const opened = [];
  while (opened.length < count) {
    const places = Array.from({ length: Math.min(AT_ONCE, count - opened.length) }, (_, i) => opened.length + i);
    opened.push(...(await Promise.all(places.map(open))));
  }
  return opened;
}
