import type { Topic } from '../contract.ts';
import { repeat, untilDone } from '../load.ts';
import type { MatrixPeer, Stage } from '../stage.ts';
import type { Scenario } from './scenario.ts';

/** Several messages in one turn, whose order batches and flushes must keep. */
const PER_TURN = 3;

/**
 * Five pages receive what three of them send: to all, confirmed; to a room, not confirmed; and both. Four pages are in the room, so the last
 * one must not receive its messages.
 */
export const chat: Scenario = {
  peers: 5,
  needs: ['sent', 'received', 'joined'],
  prepare: async (stage) => {
    await Promise.all(stage.peers.slice(0, -1).map((peer) => join(stage, peer)));
  },
  load: async (stage) => {
    const [ann, ben, eva] = stage.peers as readonly [MatrixPeer, MatrixPeer, MatrixPeer];
    await Promise.all([
      repeat(stage, ann, () => send(stage, ann, { verb: 'say', topic: 'all' })),
      repeat(stage, ben, () => send(stage, ben, { verb: 'shout', topic: 'room' })),
      repeat(stage, eva, () => send(stage, eva, { verb: 'shout', topic: stage.pick(['all', 'room']) })),
    ]);
  },
  finish: async (stage) => {
    await Promise.all(stage.peers.slice(0, -1).map((peer) => join(stage, peer)));
    for (const peer of stage.peers) {
      await send(stage, peer, { verb: 'say', topic: 'all' });
      await send(stage, peer, { verb: 'say', topic: 'room' });
    }
  },
};

async function join(stage: Stage, peer: MatrixPeer): Promise<void> {
  stage.joined(peer.name, 'room', await untilDone(peer, () => peer.invoke.join()));
}

async function send(
  stage: Stage,
  peer: MatrixPeer,
  { verb, topic }: { readonly verb: 'say' | 'shout'; readonly topic: Topic },
): Promise<void> {
  const messages = Array.from({ length: PER_TURN }, () => stage.newCall(`message of ${peer.name}`));
  const name = messages.map((message) => stage.record({ type: 'sent', by: peer.name, message, topic }));
  try {
    const connectionId = await peer.invoke[verb](topic, messages);
    for (const each of name) each(connectionId);
    if (verb === 'say') for (const message of messages) stage.record({ type: 'confirmed', message });
  } catch (error) {
    for (const message of messages) stage.record({ type: 'rejected', message });
    throw error;
  }
}
