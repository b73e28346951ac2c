import { until } from '@hubline/testing';
import { repeat, untilDone } from '../load.ts';
import type { Outcome } from '../contract.ts';
import type { MatrixPeer, Stage } from '../stage.ts';
import type { Scenario } from './scenario.ts';

/** The longest time until every client answers again, in milliseconds. */
const ANSWERED_MS = 15_000;

/** Every page asks all clients at once. */
export const callAll: Scenario = {
  peers: 4,
  needs: ['outcome'],
  load: async (stage) => {
    await Promise.all(stage.peers.map((peer) => repeat(stage, peer, () => askAll(stage, peer))));
  },
  finish: async (stage) => {
    for (const peer of stage.peers) {
      await until(
        async () => {
          const { items, missingNodes } = await untilDone(peer, () => askAll(stage, peer));
          return missingNodes.length === 0 && items.length === stage.peers.length && items.every(isFulfilled);
        },
        { timeoutMs: ANSWERED_MS, intervalMs: 50 },
      );
    }
  },
};

/** Every page asks one other client after the other. */
export const callEach: Scenario = {
  peers: 4,
  needs: ['outcome'],
  prepare: async (stage) => {
    await Promise.all(stage.peers.map((peer) => stage.connectionOf(peer)));
  },
  load: async (stage) => {
    await Promise.all(
      stage.peers.map((peer) =>
        repeat(stage, peer, async () => {
          const own = await stage.connectionOf(peer);
          await ask(stage, peer, stage.lastConnectionOf(stage.pick(stage.peers)) ?? own);
        }),
      ),
    );
  },
  finish: async (stage) => {
    for (const peer of stage.peers) {
      for (const other of stage.peers) {
        await until(async () => (await untilDone(peer, async () => ask(stage, peer, await stage.connectionOf(other)))) === 'fulfilled', {
          timeoutMs: ANSWERED_MS,
          intervalMs: 50,
        });
      }
    }
  },
};

const isFulfilled = ({ status }: Outcome): boolean => status === 'fulfilled';

async function askAll(stage: Stage, peer: MatrixPeer) {
  const call = stage.newCall('invokeAll');
  stage.record({ type: 'called', by: peer.name, call, clients: ['*'] });
  try {
    const answer = await peer.invoke.askAll();
    for (const { connectionId, status } of answer.items) stage.record({ type: 'outcome', call, client: connectionId, status });
    stage.record({ type: 'settled', call, missingNodes: answer.missingNodes });
    return answer;
  } catch (error) {
    settleWithoutAnswer(stage, call);
    throw error;
  }
}

async function ask(stage: Stage, peer: MatrixPeer, connectionId: string): Promise<string> {
  const call = stage.newCall('invoke');
  stage.record({ type: 'called', by: peer.name, call, clients: [connectionId] });
  try {
    const status = await peer.invoke.ask(connectionId);
    stage.record({ type: 'outcome', call, client: connectionId, status });
    stage.record({ type: 'settled', call });
    return status;
  } catch (error) {
    settleWithoutAnswer(stage, call);
    throw error;
  }
}

/** The caller lost its connection, so it gets no outcome. */
function settleWithoutAnswer(stage: Stage, call: string): void {
  stage.record({ type: 'settled', call, missingNodes: stage.cluster.nodes.map(({ nodeId }) => nodeId) });
}
