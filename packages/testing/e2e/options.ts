import { parseArgs } from 'node:util';
import { random } from '@hubline/testing';
import { AXES, AXIS_NAMES, product, titleOf, type Axis, type Cell, type Selection } from './axes.ts';
import { exclusionOf } from './constraints.ts';
import { pairwise } from './pairwise.ts';

/** The selection of cells that `npm run e2e` runs, and how often. */
export interface Options {
  readonly selection: Selection;
  readonly seed: number;
  /** Every selected cell that makes sense, and not only so many that each pair of values is covered. */
  readonly all: boolean;
  /** How often each cell runs. */
  readonly repeat: number;
  /** The name of a change that breaks a promise of the server, in MUTATIONS. */
  readonly mutation?: string;
}

/** Parses the arguments of `npm run e2e`. An axis may be given several times. @throws RangeError for an unknown value */
export function parseOptions(args: readonly string[], seed: number): Options {
  const axis = { type: 'string', multiple: true } as const;
  const { values } = parseArgs({
    args: [...args],
    options: {
      scenario: axis,
      nodes: axis,
      balancer: axis,
      transport: axis,
      fault: axis,
      seed: { type: 'string' },
      all: { type: 'boolean' },
      repeat: { type: 'string' },
      mutation: { type: 'string' },
    },
  });
  const selection = Object.fromEntries(AXIS_NAMES.flatMap((name) => (values[name] ? [[name, checked(name, values[name])]] : [])));
  return {
    selection,
    seed: values.seed === undefined ? seed : whole('seed', values.seed),
    all: values.all ?? false,
    repeat: values.repeat === undefined ? 1 : whole('repeat', values.repeat),
    ...(values.mutation === undefined ? {} : { mutation: values.mutation }),
  };
}

function checked(axis: Axis, values: readonly string[]): readonly string[] {
  const known: readonly string[] = AXES[axis];
  for (const value of values) if (!known.includes(value)) throw new RangeError(`--${axis} ${value}: there are ${known.join(', ')}.`);
  return values;
}

function whole(name: string, text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new RangeError(`--${name} ${text}: a whole number of at most nine digits is needed.`);
  return Number(text);
}

/**
 * Returns the cells to run: every pair of the selected values once, or all. Cells with the same cluster follow each other, so that it can
 * be reused.
 */
export function cellsOf({ selection, seed, all }: Options): readonly Cell[] {
  const cells = product(selection).filter((cell) => exclusionOf(cell) === undefined);
  const chosen = all ? cells : pairwise(cells, random(seed));
  return [...chosen].sort((one, other) => compare(clusterOf(one), clusterOf(other)) || compare(titleOf(one), titleOf(other)));
}

/** Cells with the same text run on the same cluster. */
export const clusterOf = ({ nodes, balancer }: Cell): string => `${nodes}, ${balancer}`;

const compare = (one: string, other: string): number => Number(one > other) - Number(one < other);
