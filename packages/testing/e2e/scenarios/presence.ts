import { until } from '@hubline/testing';
import { isLoss, repeat, untilDone } from '../load.ts';
import type { MatrixPeer, Stage } from '../stage.ts';
import type { Scenario } from './scenario.ts';

/** The longest time until every node answers right after a fault, in milliseconds: the lease of a killed node, and busy machines. */
const CONVERGED_MS = 15_000;

/** Four pages join and leave a room, one change at a time, and after each change every page asks who is there. */
export const presence: Scenario = {
  peers: 4,
  needs: ['joined', 'seen'],
  load: async (stage) => {
    const [first] = stage.peers as readonly [MatrixPeer];
    await repeat(stage, first, async () => {
      const peer = stage.pick(stage.peers);
      await change(stage, peer, stage.chance() < 0.6);
      await Promise.all(stage.peers.map((each) => ask(stage, each)));
    });
  },
  finish: async (stage) => {
    for (const peer of stage.peers) {
      const isIn = peer !== stage.peers[1];
      const id = await untilDone(peer, () => (isIn ? peer.invoke.join() : peer.invoke.leave()));
      if (isIn) stage.joined(peer.name, 'room', id);
      else stage.record({ type: 'left', by: peer.name, topic: 'room' });
    }
    const expected = stage.peers.filter((_, at) => at !== 1).map(({ name }) => name); // the user of a peer has its name
    // The last answers are recorded, right or wrong: the checker decides.
    await until(async () => (await Promise.all(stage.peers.map((peer) => isRight(peer, expected)))).every(Boolean), {
      timeoutMs: CONVERGED_MS,
      intervalMs: 100,
    }).catch(() => undefined);
    for (const peer of stage.peers) await untilDone(peer, () => ask(stage, peer).then(() => true));
  },
};

/** A change whose call fails is not recorded: its connection is gone, and with it the membership. */
async function change(stage: Stage, peer: MatrixPeer, joins: boolean): Promise<void> {
  try {
    if (joins) stage.joined(peer.name, 'room', await peer.invoke.join());
    else {
      await peer.invoke.leave();
      stage.record({ type: 'left', by: peer.name, topic: 'room' });
    }
  } catch (error) {
    if (!isLoss(error)) throw error;
  }
}

async function ask(stage: Stage, peer: MatrixPeer): Promise<void> {
  const { members, complete, count } = await peer.invoke.who();
  const isWhole = complete && count === members.length;
  stage.record({ type: 'seen', by: peer.name, topic: 'room', members, complete: isWhole });
}

async function isRight(peer: MatrixPeer, expected: readonly string[]): Promise<boolean> {
  const { members, complete, count } = await untilDone(peer, () => peer.invoke.who());
  return complete && count === expected.length && String([...members].sort()) === String([...expected].sort());
}
