import type { Behaviour } from './behaviour.ts';
import { Deferred, rejects, same } from './check.ts';
import type { PeerConnection } from './peer.ts';
import type { World } from './world.ts';

const DELAY_MS = 200;
/** The time-out of `/tunedhub`. */
const TIMEOUT_MS = 4_000;
/** Timers may end this much early. */
const TOLERANCE_MS = 20;

/** Loses a connection. Resolves with its id after the reconnect. */
export async function loseAndReconnect(connection: PeerConnection): Promise<string | undefined> {
  const reconnected = new Deferred<string | undefined>();
  connection.onReconnected((id) => reconnected.resolve(id));
  connection.lose();
  return reconnected.promise;
}

/** Reconnections that the server allows. */
export const ALLOWED_RECONNECT: Behaviour = {
  name: 'reconnects when the server ends the connection and allows it',
  async run(world) {
    const connection = world.connection('/testhub', { reconnects: true });
    const reconnected = new Deferred();
    connection.onReconnected(() => reconnected.resolve());
    connection.onClosed((error) => reconnected.reject(new Error('The client is closed.', { cause: error })));
    await connection.start();
    const before = await connection.invoke('GetCallerConnectionId');
    connection.invoke('AbortAllowingReconnect').catch(() => undefined); // the connection may close before its result arrives
    await reconnected.promise;
    same((await connection.invoke('GetCallerConnectionId')) === before, false);
  },
};

/** Reconnections by the client's own policy, and their tokens. */
export const RECONNECTING: readonly Behaviour[] = [
  {
    name: 'waits before each attempt to reconnect as its own policy says',
    async run(world) {
      const asked: { readonly attempt: number; readonly at: number }[] = [];
      const connection = unreliable(world, { refusals: 2 }, (attempt) => {
        asked.push({ attempt, at: performance.now() });
        return DELAY_MS;
      });
      await connection.start();
      await loseAndReconnect(connection);
      same(await connection.invoke('Echo', 'again'), 'again');
      // The attempts that the server refuses, and the last one. There may be others, while the network is interrupted.
      same(asked.length >= 3, true);
      for (const [number, { attempt, at }] of asked.entries()) {
        same(attempt, number);
        const waitedMs = at - (asked[number - 1]?.at ?? -Infinity);
        if (waitedMs < DELAY_MS - TOLERANCE_MS) throw new Error(`Attempt ${number} failed after ${waitedMs} ms.`);
      }
    },
  },
  {
    name: 'gives up when its own policy returns null',
    async run(world) {
      const attempts: number[] = [];
      const connection = unreliable(world, { refusals: 1000 }, (attempt) => {
        attempts.push(attempt);
        return attempt < 2 ? 1 : null;
      });
      const closed = new Deferred();
      connection.onClosed(() => closed.resolve());
      await connection.start();
      connection.lose();
      await closed.promise;
      same(attempts, [0, 1, 2]);
      await rejects(connection.invoke('Echo', 'x'), '');
    },
  },
  {
    name: 'requests another token when it reconnects',
    async run(world) {
      const tokens: string[] = [];
      const connection = world.connection('/authorizedhub', {
        reconnects: true,
        async accessToken() {
          tokens.push(await world.get('/generateJwtToken'));
          return tokens.at(-1)!;
        },
      });
      await connection.start();
      const before = tokens.length;
      await loseAndReconnect(connection);
      same(tokens.length > before, true);
      same(await connection.invoke('Echo', 'let in'), 'let in');
    },
  },
];

/** Silence of both sides, in which only pings are sent. Long polling has no pings. The time itself is tested, so it runs once per client. */
export const KEEP_ALIVE: Behaviour = {
  name: 'stays connected without calls for longer than the time-outs of both sides',
  async run(world) {
    const over = new Deferred();
    const connections = (['WebSockets', 'ServerSentEvents'] as const).map((transport) => {
      const options = { transports: [transport], serverTimeoutMs: TIMEOUT_MS, keepAliveMs: TIMEOUT_MS / 5 };
      const connection = world.connection('/tunedhub', options);
      connection.onClosed((error) => over.reject(new Error(`The connection over ${transport} is closed.`, { cause: error })));
      return connection;
    });
    await Promise.all(connections.map((connection) => connection.start()));
    setTimeout(over.resolve, TIMEOUT_MS + 500);
    await over.promise;
    for (const connection of connections) same(await connection.invoke('Echo', 'still here'), 'still here');
  },
};

/** Creates a connection whose server refuses the first negotiations after a loss. */
function unreliable(
  world: World,
  { refusals }: { readonly refusals: number },
  reconnects: (attempt: number) => number | null,
): PeerConnection {
  const query = new URLSearchParams({ key: crypto.randomUUID(), refusals: String(refusals) });
  return world.connection(`/unreliable?${query}`, { reconnects });
}
