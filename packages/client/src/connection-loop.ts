import { asError, checkDuration, type Affinity, type ErrorDetails, type HublineError } from '@hubline/protocol';
import { onAbort } from './abort.ts';
import { cancelled, type Calls } from './calls.ts';
import type { ConnectionState } from './connection-state.ts';
import { runSession, type Open } from './session.ts';
import type { Settings } from './settings.ts';
import type { PipeEnd } from './transport.ts';

/** A connection that lasted this long has proven itself: the next loss starts counting attempts anew. */
const PROVEN_MS = 5_000;

/** The life of a connection, from `start` to `stop` or a verdict. */
export interface ConnectionLoop {
  readonly state: ConnectionState;
  /** Undefined while calls cannot be made. */
  readonly calls: Calls | undefined;
  readonly start: (options?: { readonly signal?: AbortSignal | undefined }) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export function createLoop(settings: Settings): ConnectionLoop {
  const { clock, policy, skipNegotiation } = settings;
  let state: ConnectionState = { name: 'idle' };
  let stopping: AbortController | undefined;
  let started: Promise<void>;
  let ended: Promise<void> | undefined;
  let live: Open | undefined;
  /** Good for one attempt: a node that does not take us back is not asked again. */
  let affinity: Affinity | undefined;
  /** Ends the present wait. */
  let proceed: (() => void) | undefined;
  /** The server asked to be left alone: waking does not shorten the wait. */
  let isPatient = false;

  /** The only place that assigns the state, and therefore the only place that announces it. */
  const enter = (next: ConnectionState): void => {
    const before = state.name;
    state = next;
    settings.entered(state, before);
  };

  /** Gives the reason why it is over. */
  const loop = async (stop: AbortSignal, started: () => void): Promise<Error | undefined> => {
    onAbort(stop, () => proceed?.());
    settings.onWake(() => {
      live?.prove();
      if (!isPatient) proceed?.();
    }, stop);
    for (let attempt = 0, everOpen = false; !stop.aborted;) {
      let openAt = Infinity;
      if (!everOpen) enter({ name: 'connecting', attempt });
      const hint = affinity;
      affinity = undefined;
      const { cause, final } = await runSession(settings, {
        stop,
        // Without negotiation a page does not learn that its token was refused.
        fresh: skipNegotiation && attempt > 0,
        affinity: hint,
        opened(open) {
          live = open;
          everOpen = true;
          openAt = clock.now();
          affinity = open.affinity;
          enter({ name: 'connected', connectionId: open.connectionId });
          started();
        },
      });
      live = undefined;
      if (!cause) break;
      // A node that is going away, or that refused a request: it does not know the connection any more.
      const { code, details } = cause as Partial<HublineError<'connection_lost' | 'shutdown'>>;
      if (code === 'shutdown' || (details as Partial<PipeEnd> | undefined)?.status) affinity = undefined;
      if (clock.now() - openAt >= PROVEN_MS) attempt = 0;
      const nextMs = final || !(everOpen || policy.initial) ? null : policy.nextDelayMs({ attempt, cause });
      if (nextMs === null) return cause;
      checkDuration('reconnect', nextMs);
      // A busy server is left alone for as long as it asks; the policy's delay spreads its clients.
      const retryAfterMs = (details as ErrorDetails['negotiation_failed'] | undefined)?.retryAfterMs ?? 0;
      const delayMs = nextMs + retryAfterMs;
      isPatient = retryAfterMs > 0;
      attempt++;
      if (everOpen) enter({ name: 'reconnecting', attempt, delayMs, cause });
      if (stop.aborted) break;
      await new Promise<void>((resolve) => {
        const undo = clock.after(delayMs, resolve);
        proceed = () => {
          undo();
          resolve();
        };
      });
    }
    return undefined;
  };

  return {
    get state() {
      return state;
    },
    get calls() {
      return live?.calls;
    },
    start({ signal } = {}) {
      if (stopping && !stopping.signal.aborted) return started;
      const stop = (stopping = new AbortController());
      const promise = (started = new Promise<void>((resolve, reject) => {
        ended = (async (previous) => {
          await previous;
          // What a policy throws is a verdict too.
          const cause = await loop(stop.signal, resolve).catch(asError);
          stop.abort();
          enter({ name: 'closed', ...(cause && { cause }) });
          // A start that its own stop overtakes is no failure that anybody must handle.
          if (!cause) promise.catch(() => {});
          reject(cause ?? cancelled());
        })(ended);
      }));
      const undo = onAbort(signal, () => stop.abort());
      promise.then(undo, undo);
      return promise;
    },
    async stop() {
      stopping?.abort();
      await ended;
    },
  };
}
