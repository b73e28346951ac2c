export { expect, test, type ClusterFixtures, type PeersOptions } from './fixtures.ts';
export type { PageEvent } from './expose.ts';
export type { Peer } from './peer.ts';
