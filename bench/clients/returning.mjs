/** Clients with their library's default options, which return after a restart of the server. */
import { nowMs } from '../clock.mjs';
import { payload } from '../payload.mjs';
import { openAll } from './open-all.mjs';

/** Opens `connections` clients. Each one makes a call as soon as it is back. */
export async function openReturning({ to, connections }) {
  const { connect } = await import(`./${to.client}.mjs`);
  let waiting = 0;
  let callMs = [];
  let finished;
  const clients = await openAll(connections, async (place) => {
    const client = await connect(to.port, { back: () => void called(place) });
    await client.call(payload(place));
    return client;
  });

  async function called(place) {
    const backAt = nowMs();
    await clients[place].call(payload(place));
    callMs.push({ backAt, ms: nowMs() - backAt });
    if (--waiting === 0) finished();
  }

  return {
    /** Call before the server stops. */
    left() {
      waiting = connections;
      callMs = [];
      finished = undefined;
      this.all = new Promise((resolve) => (finished = resolve));
    },

    /** Resolves when all clients are back and have called. Returns the instants and the durations of the calls. */
    async back() {
      await this.all;
      return { backAt: callMs.map(({ backAt }) => backAt), callMs: callMs.map(({ ms }) => ms) };
    },
  };
}
