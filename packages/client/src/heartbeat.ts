import type { Clock } from './clock.ts';

/** A timer that fires this late has slept: with a throttled page, or the machine. What arrived meanwhile is not read yet. */
const LATE_MS = 1_000;
/** How long a Hubline server may take to answer a ping. */
const PROOF_MS = 3_000;

export interface HeartbeatOptions {
  readonly clock: Clock;
  readonly keepAliveMs: number;
  readonly serverTimeoutMs: number;
  /** Whether the server answers pings. A plain SignalR server only sends its own, every 15 s by default. */
  readonly answered: boolean;
  ping(): void;
  lost(): void;
}

export interface Heartbeat {
  /** Data came: a sign of life, whatever it says. */
  heard(): void;
  sent(): void;
  /** Asks for a sign of life, and waits for it less long than usual. */
  prove(): void;
  stop(): void;
}

/** Pings when nothing was sent for `keepAliveMs`; reports `lost` when nothing came for `serverTimeoutMs`. */
export function startHeartbeat({ clock, keepAliveMs, serverTimeoutMs, answered, ping, lost }: HeartbeatOptions): Heartbeat {
  let sentAt = clock.now();
  let deadline = sentAt + serverTimeoutMs;
  let proving = false;
  let undo = (): void => {};

  const arm = (): void => {
    undo();
    const dueAt = Math.min(deadline, sentAt + keepAliveMs);
    undo = clock.after(Math.max(0, dueAt - clock.now()), () => {
      const late = clock.now() - deadline;
      if (late >= 0 && (proving || late < LATE_MS)) return lost();
      if (late >= 0) return prove();
      if (clock.now() - sentAt >= keepAliveMs) ping();
      arm();
    });
  };
  const prove = (): void => {
    if (proving) return;
    proving = true;
    deadline = clock.now() + (answered ? PROOF_MS : (serverTimeoutMs * 2) / 3);
    ping();
    arm();
  };
  arm();

  return {
    heard() {
      deadline = clock.now() + serverTimeoutMs;
      proving = false;
      // Chrome lets the timers of hidden pages run once a minute, but hands over messages at once.
      if (clock.now() - sentAt > keepAliveMs / 2) ping();
    },
    sent: () => void (sentAt = clock.now()),
    prove,
    stop: () => undo(),
  };
}
