import type { Situation } from '@hubline/testing/history';
import type { Cell } from './axes.ts';

/** Cells that are not run, with the reason. */
export interface Exclusion {
  readonly reason: string;
  readonly applies: (cell: Cell) => boolean;
}

const isExternal = ({ balancer }: Cell): boolean => balancer === 'nginx' || balancer === 'haproxy';

export const EXCLUSIONS: readonly Exclusion[] = [
  {
    reason: 'The requests of one connection need the same node, and round-robin gives each request to another one.',
    applies: ({ balancer, transport, nodes }) => balancer === 'round-robin' && transport !== 'WebSockets' && nodes !== '1',
  },
  {
    reason: 'The configurations of deploy/ name three nodes.',
    applies: (cell) => isExternal(cell) && cell.nodes === '1',
  },
  {
    reason: 'With one node, sticky and round-robin do the same.',
    applies: ({ balancer, nodes }) => balancer === 'sticky' && nodes === '1',
  },
  {
    reason: 'A rolling deploy of one node is the same as a drained node.',
    applies: ({ fault, nodes }) => fault === 'rolling-deploy' && nodes === '1',
  },
];

/** Returns the reason why a cell is not run; undefined if it is run. */
export const exclusionOf = (cell: Cell): string | undefined => EXCLUSIONS.find(({ applies }) => applies(cell))?.reason;

/** The class of each fault, which decides the promises of docs/guarantees.md that the checker of histories applies. */
export const SITUATION: Readonly<Record<Cell['fault'], Situation>> = {
  none: 'calm',
  'node-killed': 'killed',
  'node-frozen': 'frozen',
  'node-drained': 'clients',
  'redis-restarted': 'outage',
  'redis-paused': 'outage',
  'client-offline': 'clients',
  'page-frozen': 'clients',
  'tab-reloaded': 'clients',
  'rolling-deploy': 'clients',
};

/** Returns the class of the situation of a cell. */
export function situationOf({ fault, nodes }: Cell): Situation {
  const situation = SITUATION[fault];
  // A node that knows no other one cannot know whether it missed messages in an outage, and reports a gap.
  return situation === 'outage' && nodes === '1' ? 'longOutage' : situation;
}
