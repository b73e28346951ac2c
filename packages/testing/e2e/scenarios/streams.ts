import { repeat, untilDone } from '../load.ts';
import type { MatrixPeer, Stage } from '../stage.ts';
import type { Scenario } from './scenario.ts';

const ITEMS = 40;

/** Every page reads streams of forty items, one after the other. An item is a message of the stream, which is a topic of its own. */
export const streams: Scenario = {
  peers: 3,
  needs: ['sent', 'received', 'joined'],
  load: async (stage) => {
    await Promise.all(stage.peers.map((peer) => repeat(stage, peer, () => read(stage, peer))));
  },
  finish: async (stage) => {
    for (const peer of stage.peers) await untilDone(peer, () => read(stage, peer));
  },
};

/** A stream that its connection survives must be whole; of any other, the items before the last one that arrived. */
async function read(stage: Stage, peer: MatrixPeer): Promise<number> {
  const stream = stage.newCall(`stream of ${peer.name}`);
  const connectionId = await stage.connectionOf(peer);
  stage.joined(peer.name, stream, connectionId);
  for (let item = 1; item <= ITEMS; item++) {
    stage.record({ type: 'sent', by: stream, message: `${stream}/${item}`, topic: stream })(connectionId);
  }
  try {
    const items = await peer.stream.count(stream, ITEMS);
    if (items !== ITEMS) throw new Error(`${stream} ended after ${items} of ${ITEMS} items.`);
    return items;
  } catch (error) {
    stage.record({ type: 'left', by: peer.name, topic: stream });
    throw error;
  }
}
