import { invalidOption } from './names.ts';

/**
 * Refuses unknown names in an object of the program: a misspelt name would be ignored, and with it a limit or a guard. A name whose value
 * is undefined is allowed.
 * @throws HublineError `invalid_option` that names the nearest known name
 */
export function checkKnown(
  given: unknown,
  known: readonly string[],
  { within, fault = 'is no option' }: { readonly within: string; readonly fault?: string },
): void {
  if (typeof given !== 'object' || given === null) throw invalidOption(within, 'must be an object');
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || known.includes(name)) continue;
    const near = nearestName(name, known);
    throw invalidOption(`${within}.${name}`, near === undefined ? fault : `${fault}; the nearest name is '${near}'`);
  }
}

/** Refuses values that are neither a function nor undefined. @throws HublineError `invalid_option` */
export function checkFunctions(functions: Readonly<Record<string, unknown>>): void {
  for (const [option, value] of Object.entries(functions)) {
    if (value !== undefined && typeof value !== 'function') throw invalidOption(option, 'must be a function');
  }
}

/** Returns the name that is most similar, ignoring case; undefined if none is similar enough. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  const [nearest] = names
    .map((each) => ({ each, far: distance(name.toLowerCase(), each.toLowerCase()) }))
    .filter(({ far }) => far <= 1 + name.length / 4)
    .toSorted((a, b) => a.far - b.far);
  return nearest?.each;
}

/** The Damerau–Levenshtein distance: letters to insert, delete, replace or swap with the next one. */
function distance(from: string, to: string): number {
  const rows = [Array.from({ length: to.length + 1 }, (_, i) => i)];
  for (let i = 1; i <= from.length; i++) {
    const [row, before] = [rows[i - 1]!, rows[i - 2]];
    const next = [i];
    for (let j = 1; j <= to.length; j++) {
      const replaced = row[j - 1]! + Number(from[i - 1] !== to[j - 1]);
      const isSwap = before && from[i - 1] === to[j - 2] && from[i - 2] === to[j - 1];
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, replaced, isSwap ? before[j - 2]! + 1 : Infinity));
    }
    rows.push(next);
  }
  return rows.at(-1)!.at(-1)!;
}
