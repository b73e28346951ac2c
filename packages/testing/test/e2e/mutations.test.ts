import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { exclusionOf } from '../../e2e/constraints.ts';
import { MUTATIONS, mutationOf } from '../../e2e/mutations.ts';

const ROOT = new URL('../../../../', import.meta.url);

describe('the mutations', () => {
  it.each(MUTATIONS)('change one place of the source: $name', ({ file, find }) => {
    expect(readFileSync(new URL(file, ROOT), 'utf8').split(find).length - 1).toBe(1);
  });

  it.each(MUTATIONS)('are looked for in a cell that runs: $name', ({ cell, caughtAs }) => {
    expect(exclusionOf(cell)).toBeUndefined();
    expect(caughtAs.length).toBeGreaterThan(0);
  });

  it('have different names, and an unknown name is refused', () => {
    expect(new Set(MUTATIONS.map(({ name }) => name)).size).toBe(MUTATIONS.length);
    expect(mutationOf('forget a leave').file).toContain('local-membership');
    expect(() => mutationOf('forget')).toThrow('There is no mutation "forget"');
  });
});
