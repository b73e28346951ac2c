import type { Backplane } from '@hubline/server/backplane';
import { describeBus } from './bus-suite.ts';
import { describeDirectory } from './directory-suite.ts';
import type { BackplaneFixture } from './fixture.ts';
import { describeLink } from './link-suite.ts';
import { describeServers } from './server-suite.ts';

export { describeBus, describeDirectory, describeLink, describeServers };
export { LocalDouble } from './local-double.ts';
export { ENTRIES } from './fixture.ts';
export type { BackplaneFaults, BackplaneFixture, Entry, EntryFault, Fault, FaultName, LackingFault } from './fixture.ts';

/** Defines all conformance tests for a backplane. Call it in a test file of Vitest. Every backplane must pass them. */
export function describeBackplane<B extends Backplane>(name: string, fixture: BackplaneFixture<B>): void {
  describeLink(name, fixture);
  describeBus(name, fixture);
  describeDirectory(name, fixture);
  describeServers(name, fixture);
}
