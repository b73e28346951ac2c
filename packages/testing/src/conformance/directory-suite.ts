import type { Backplane } from '@hubline/server/backplane';
import { describe } from 'vitest';
import { testFlushes } from './directory-flushes.ts';
import { testLosses } from './directory-losses.ts';
import { testQueries } from './directory-queries.ts';
import { testRepairs } from './directory-repairs.ts';
import { testWatches } from './directory-watches.ts';
import type { BackplaneFixture } from './fixture.ts';
import { testsOf } from './test-cluster.ts';

/** Tests the contract of `Directory`. */
export function describeDirectory<B extends Backplane>(name: string, fixture: BackplaneFixture<B>): void {
  describe(`directory: ${name}`, () => {
    const test = testsOf(fixture);
    testFlushes(test);
    testQueries(test);
    testWatches(test);
    testLosses(test);
    testRepairs(test);
  });
}
