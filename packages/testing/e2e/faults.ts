import { faults, type ClusterNode, type Fault } from '@hubline/testing/cluster';
import type { Cell } from './axes.ts';
import { lasting } from './load.ts';
import type { MatrixPeer, Stage } from './stage.ts';
import { LEASE_MS, REDIS_TIMEOUT_MS } from './times.ts';

/** How long faults last, in milliseconds. A frozen node keeps its lease, and a paused Redis counts as unreachable. */
const LASTING_MS = { page: 1000, pausedRedis: REDIS_TIMEOUT_MS + 500, frozenNode: LEASE_MS / 5, stoppedRedis: 500, lostNode: 500 };

/** The target of a fault: one page, and the node that it is connected to. */
interface Victim {
  readonly peer: MatrixPeer;
  readonly node: ClusterNode;
}

/** Causes and heals the fault of a cell, and records both. */
export async function causeFault(stage: Stage): Promise<void> {
  const peer = stage.pick(stage.peers);
  await CAUSES[stage.cell.fault](stage, { peer, node: stage.cluster.node(await peer.onNode()) });
}

const CAUSES: Readonly<Record<Cell['fault'], (stage: Stage, victim: Victim) => Promise<void>>> = {
  none: () => lasting(LASTING_MS.page),
  'node-killed': (stage, { node }) => during(stage, faults.kill(node), { wait: () => lasting(LASTING_MS.lostNode), ended: node.nodeId }),
  'node-frozen': (stage, { node }) => during(stage, faults.freeze(node), { wait: () => lasting(LASTING_MS.frozenNode) }),
  'node-drained': (stage, { node }) => during(stage, faults.stop(node), { wait: () => lasting(LASTING_MS.lostNode) }),
  'redis-restarted': (stage) => during(stage, faults.stopRedis(stage.cluster.redis), { wait: () => lasting(LASTING_MS.stoppedRedis) }),
  'redis-paused': (stage) => during(stage, faults.pauseRedis(stage.cluster.redis), { wait: () => lasting(LASTING_MS.pausedRedis) }),
  'client-offline': (stage, { peer }) =>
    during(
      stage,
      { name: `${peer.name} is offline`, inflict: () => peer.goOffline(), heal: () => peer.goOnline() },
      { wait: () => lasting(LASTING_MS.page) },
    ),
  'page-frozen': (stage, { peer }) =>
    during(
      stage,
      { name: `freeze the page of ${peer.name}`, inflict: () => peer.freeze(), heal: () => peer.resume() },
      { wait: () => lasting(LASTING_MS.page) },
    ),
  'tab-reloaded': (stage, { peer }) => during(stage, { name: `reload ${peer.name}`, inflict: () => peer.reload(), heal: () => undefined }),
  'rolling-deploy': async (stage) => {
    for (const node of stage.cluster.nodes) await during(stage, faults.stop(node));
  },
};

/** Causes a fault until `wait` resolves. `ended` is the node that it kills. */
async function during(stage: Stage, { name, inflict, heal }: Fault, { wait, ended }: Course = {}): Promise<void> {
  stage.record({ type: 'fault', name });
  if (ended !== undefined) stage.record({ type: 'ended', by: ended });
  try {
    await inflict();
    await wait?.();
  } finally {
    await heal();
  }
  stage.record({ type: 'healed', name });
}

interface Course {
  readonly wait?: () => Promise<void>;
  readonly ended?: string;
}
