import { random } from '@hubline/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AXES, AXIS_NAMES, product, titleOf, type Selection } from '../../e2e/axes.ts';
import { EXCLUSIONS, exclusionOf, SITUATION } from '../../e2e/constraints.ts';
import { cellsOf, parseOptions } from '../../e2e/options.ts';
import { pairsOf, pairwise } from '../../e2e/pairwise.ts';

const allowed = product().filter((cell) => exclusionOf(cell) === undefined);

/** Any selection with at least one value of each axis. */
const selections: fc.Arbitrary<Selection> = fc.record(
  Object.fromEntries(AXIS_NAMES.map((axis) => [axis, fc.subarray<string>([...AXES[axis]], { minLength: 1 })])),
) as fc.Arbitrary<Selection>;

describe('the choice of cells', () => {
  it('covers every pair of values that an allowed cell has, and has no cell that is excluded', () => {
    fc.assert(
      fc.property(selections, fc.nat(), (selection, seed) => {
        const cells = product(selection).filter((cell) => exclusionOf(cell) === undefined);
        const chosen = pairwise(cells, random(seed));
        expect(new Set(chosen.flatMap(pairsOf))).toEqual(new Set(cells.flatMap(pairsOf)));
        for (const cell of chosen) expect(cells).toContainEqual(cell);
      }),
      { numRuns: 40 },
    );
  });

  it('needs at most sixty cells for the whole matrix', () => {
    for (const seed of [1, 2, 3]) expect(pairwise(allowed, random(seed)).length).toBeLessThanOrEqual(60);
  });

  it('is the same for the same seed, and another one for another seed', () => {
    const titles = (seed: number) => pairwise(allowed, random(seed)).map(titleOf);
    expect(titles(7)).toEqual(titles(7));
    expect(titles(7)).not.toEqual(titles(8));
  });

  it('rejects nothing twice and counts each cell of the product once', () => {
    expect(new Set(product().map(titleOf)).size).toBe(5 * 2 * 5 * 3 * 10);
  });
});

describe('the constraints', () => {
  it('exclude cells with each reason, and leave every value of every axis', () => {
    for (const { applies } of EXCLUSIONS) expect(product().some(applies)).toBe(true);
    for (const axis of AXIS_NAMES) expect(new Set(allowed.map((cell) => cell[axis]))).toEqual(new Set(AXES[axis]));
  });

  it('give each fault a class of promises', () => {
    expect(Object.keys(SITUATION)).toEqual(AXES.fault);
  });
});

describe('the options of the command', () => {
  it('select cells by the values of the axes', () => {
    const options = parseOptions(['--fault', 'none', '--fault', 'node-killed', '--nodes', '3', '--seed', '5'], 1);
    const cells = cellsOf(options);
    expect(new Set(cells.map(({ fault }) => fault))).toEqual(new Set(['none', 'node-killed']));
    expect(new Set(cells.map(({ nodes }) => nodes))).toEqual(new Set(['3']));
    expect(options.seed).toBe(5);
  });

  it('run the whole product with --all, and group the cells by their clusters', () => {
    const cells = cellsOf(parseOptions(['--all'], 1));
    expect(cells.length).toBe(allowed.length);
    const clusters = cells.map(({ nodes, balancer }) => `${nodes}, ${balancer}`);
    const changes = clusters.filter((cluster, at) => cluster !== clusters[at - 1]);
    expect(changes.length).toBe(new Set(clusters).size);
  });

  it('take a random seed unless one is given', () => {
    expect(parseOptions([], 42).seed).toBe(42);
  });

  it.each([
    [['--fault', 'earthquake'], '--fault earthquake: there are none, node-killed'],
    [['--seed', 'x'], '--seed x: a whole number'],
    [['--unknown'], "Unknown option '--unknown'"],
  ])('are refused if they are unknown: %j', (args, message) => {
    expect(() => parseOptions(args, 1)).toThrow(message);
  });
});
