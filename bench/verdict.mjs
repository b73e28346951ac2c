/** Compares the results of a row with its targets. */
import { SUBJECTS } from './subjects.mjs';
import { median, spread } from './numbers.mjs';

/**
 * Returns `met`, `missed` or `not measured`, and the reason as text. With `to` the ratio of each repetition counts. With `isWorst` the worst
 * repetition decides, else the median.
 */
export function verdict({ columns }, { figure, to, atLeast, atMost, isWorst = false }, results) {
  const goal = `${atLeast === undefined ? `≤ ${atMost}` : `≥ ${atLeast}`}${to === undefined ? '' : ` × ${SUBJECTS[to].label}`}`;
  const text = `${columns[figure]} ${goal}`;
  const values = pairs(results, to)
    .map(([mine, theirs]) => (theirs === undefined ? mine[figure] : mine[figure] / theirs[figure]))
    .filter((value) => Number.isFinite(value));
  if (values.length === 0) return { is: 'not measured', text };
  const value =
    !isWorst ? median(values)
    : atMost === undefined ? Math.min(...values)
    : Math.max(...values);
  const isMet = atMost === undefined ? value >= atLeast : value <= atMost;
  return { is: isMet ? 'met' : 'missed', text: `${text}: ${spread(values, (number) => number.toFixed(to === undefined ? 0 : 2))}` };
}

/** The numbers of Hubline, and those of the other subject in the same repetition. A failed measurement has no pair. */
function pairs(results, to) {
  const mine = results.hubline ?? [];
  if (to === undefined) return mine.filter((each) => each !== null).map((each) => [each]);
  return mine.map((each, i) => [each, results[to]?.[i] ?? null]).filter(([own, other]) => own !== null && other !== null);
}
