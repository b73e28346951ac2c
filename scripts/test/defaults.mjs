/** Reads defaults in sources, for tests that compare documents with them. */

/** Returns the numbers that a source assigns to a name: `NAME = 4 * 1024`, `name: 15_000`, `name ?? 5`. */
export function defaultsIn(source, name) {
  const found = source.matchAll(
    new RegExp(`\\b${name}\\b\\s*(?::\\s*number\\s*)?(?:=|:|\\?\\?)\\s*([\\d_.]+(?:\\s*(?:\\*\\*?|/|\\+|-)\\s*[\\d_.]+)*)`, 'g'),
  );
  return [...found].map(([, expression]) => valueOf(expression));
}

/** Evaluates an expression of numbers, as limits are written. */
function valueOf(expression) {
  const [first, ...rest] = expression.replaceAll('_', '').match(/\*\*|[*/+-]|[\d.]+/g);
  let value = Number(first);
  for (let at = 0; at < rest.length; at += 2) {
    const operand = Number(rest[at + 1]);
    if (rest[at] === '**') value **= operand;
    else if (rest[at] === '*') value *= operand;
    else if (rest[at] === '/') value /= operand;
    else value += rest[at] === '+' ? operand : -operand;
  }
  return value;
}
