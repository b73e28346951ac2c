import { AXIS_NAMES, type Cell } from './axes.ts';

/** The pairs of values of a cell, of two different axes each. */
export function pairsOf(cell: Cell): readonly string[] {
  return AXIS_NAMES.flatMap((one, at) => AXIS_NAMES.slice(at + 1).map((other) => `${one} ${cell[one]}, ${other} ${cell[other]}`));
}

/**
 * Chooses cells so that each pair of values that any of the given cells has is in a chosen one. Each step takes a cell with the most
 * pairs that are not covered yet.
 * @param chance Decides between equal cells: another sequence of numbers chooses others.
 */
export function pairwise(cells: readonly Cell[], chance: () => number): readonly Cell[] {
  const open = new Set(cells.flatMap(pairsOf));
  const candidates = shuffled(cells, chance).map((cell) => ({ cell, pairs: pairsOf(cell) }));
  const chosen: Cell[] = [];
  while (open.size > 0) {
    let best: { readonly cell: Cell; readonly pairs: readonly string[]; readonly gain: number } | undefined;
    for (const { cell, pairs } of candidates) {
      const gain = pairs.filter((pair) => open.has(pair)).length;
      if (gain > (best?.gain ?? 0)) best = { cell, pairs, gain };
    }
    if (!best) throw new Error('A pair is of no cell.');
    chosen.push(best.cell);
    for (const pair of best.pairs) open.delete(pair);
  }
  return chosen;
}

function shuffled<T>(items: readonly T[], chance: () => number): readonly T[] {
  const all = [...items];
  for (let last = all.length - 1; last > 0; last--) {
    const at = Math.floor(chance() * (last + 1));
    [all[last], all[at]] = [all[at] as T, all[last] as T];
  }
  return all;
}
