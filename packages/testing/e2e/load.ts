import { until } from '@hubline/testing';
import type { MatrixPeer, Stage } from './stage.ts';

/** The least time between two turns of a peer, in milliseconds. */
const PACE_MS = 15;
/** The longest time in which a page connects again, in milliseconds. */
const BACK_MS = 30_000;

/** Repeats a turn of a peer until the load ends. A turn that fails is repeated when the page is connected. */
export async function repeat(stage: Stage, peer: MatrixPeer, turn: () => Promise<unknown>): Promise<void> {
  while (!stage.isOver) {
    const startedAt = performance.now();
    try {
      await turn();
      stage.countTurn();
    } catch (error) {
      if (!isLoss(error)) throw error;
      await until(async () => stage.isOver || (await peer.state().catch(() => '')) === 'connected', { timeoutMs: BACK_MS, intervalMs: 20 });
    }
    await until(() => performance.now() - startedAt > PACE_MS);
  }
}

/** Repeats a call whose connection ends meanwhile: a page of a drained node moves once more when its node is back. */
export const untilDone = <T>(peer: MatrixPeer, call: () => Promise<T>): Promise<T> =>
  until(
    async () => {
      await peer.untilState('connected');
      return call().then(
        (value) => ({ value }),
        (error: unknown) => {
          if (isLoss(error)) return undefined;
          throw error;
        },
      );
    },
    { timeoutMs: 20_000, intervalMs: 20 },
  ).then(({ value }) => value);

/** The errors of a call whose connection, node or page is gone. Any other error is a failure of the cell. */
const LOSSES = [
  'Connection lost',
  'Not connected.',
  'is not connected.',
  'Execution context was destroyed',
  "Cannot read properties of undefined (reading '", // the page is loading
];

export const isLoss = (error: unknown): boolean => LOSSES.some((text) => String(error).includes(text));

/** Resolves after `ms` milliseconds, for which a fault is to last. */
export async function lasting(ms: number): Promise<void> {
  const startedAt = performance.now();
  await until(() => performance.now() - startedAt >= ms, { timeoutMs: ms + 5000, intervalMs: 10 });
}
