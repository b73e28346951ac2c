import { HublineError, type Affinity } from '@hubline/protocol';
import { onAbort } from './abort.ts';
import type { Calls } from './calls.ts';
import type { ConnectionState } from './connection-state.ts';
import { startSession, type Session } from './session.ts';
import type { Settings } from './settings.ts';

/** A connection that lasted this long has proven itself: the next loss starts counting attempts anew. */
const PROVEN_MS = 5_000;

/** The life of a connection, from `start` to `stop` or a verdict. */
export interface ConnectionLoop {
  readonly state: ConnectionState;
  /** Undefined while calls cannot be made. */
  readonly calls: Calls | undefined;
  start(signal?: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

interface Run {
  readonly stop: AbortController;
  readonly started: Promise<void>;
  readonly ended: Promise<void>;
}

export function createLoop(settings: Settings): ConnectionLoop {
  const { clock, policy } = settings;
  let state: ConnectionState = { name: 'idle' };
  let run: Run | undefined;
  let session: Session | undefined;
  /** Good for one attempt: a node that does not take us back is not asked again. */
  let affinity: Affinity | undefined;
  /** Ends the present wait. */
  let proceed: (() => void) | undefined;

  /** The only place that assigns the state, and therefore the only place that announces it. */
  const enter = (next: ConnectionState): void => {
    const before = state.name;
    state = next;
    settings.entered(state, before);
  };

  const loop = async (stop: AbortController, started: (error?: Error) => void): Promise<void> => {
    const { signal } = stop;
    onAbort(signal, () => {
      session?.stop();
      proceed?.();
    });
    const wake = (): void => {
      session?.prove();
      proceed?.();
    };
    settings.onWake(wake, signal);
    let attempt = 0;
    let everOpen = false;
    let verdict: Error | undefined;
    while (!signal.aborted) {
      let openAt = Infinity;
      if (!everOpen) enter({ name: 'connecting', attempt });
      session = startSession(settings, {
        // Without negotiation a page does not learn that its token was refused.
        fresh: settings.skipNegotiation && attempt > 0,
        affinity,
        opened(connected) {
          everOpen = true;
          openAt = clock.now();
          affinity = connected.affinity;
          enter({ name: 'connected', connectionId: connected.connectionId });
          started();
        },
      });
      affinity = undefined;
      const { cause, final } = await session.ended;
      if (!cause) break;
      if ((cause as Partial<HublineError>).code === 'shutdown') affinity = undefined;
      if (clock.now() - openAt >= PROVEN_MS) attempt = 0;
      const delayMs = final || !(everOpen || policy.initial) ? null : nextDelayMs(attempt++, cause);
      if (delayMs === null) {
        verdict = cause;
        break;
      }
      if (everOpen) enter({ name: 'reconnecting', attempt, delayMs, cause });
      if (signal.aborted) break;
      await new Promise<void>((resolve) => {
        const undo = clock.after(delayMs, resolve);
        proceed = () => {
          undo();
          resolve();
        };
      });
    }
    stop.abort();
    enter({ name: 'closed', ...(verdict && { cause: verdict }) });
    started(verdict ?? new HublineError('cancelled', 'The connection was stopped.', {}));
  };

  const nextDelayMs = (attempt: number, cause: Error): number | null => {
    try {
      return policy.nextDelayMs({ attempt, cause });
    } catch (error) {
      settings.report(error);
      return null;
    }
  };

  return {
    get state() {
      return state;
    },
    get calls() {
      return session?.calls;
    },
    start(signal) {
      if (run && !run.stop.signal.aborted) return run.started;
      const previous = run?.ended;
      const stop = new AbortController();
      let settle!: (error?: Error) => void;
      const started = new Promise<void>((resolve, reject) => {
        settle = (error) => (error ? reject(error) : resolve());
      });
      const undo = signal && onAbort(signal, () => stop.abort());
      const ended = Promise.resolve(previous).then(() =>
        loop(stop, (error) => {
          undo?.();
          settle(error);
        }),
      );
      run = { stop, started, ended };
      return started;
    },
    async stop() {
      run?.stop.abort();
      await run?.ended;
    },
  };
}
