import { asError, checkDuration, type Affinity, type ErrorDetails, type HublineError } from '@hubline/protocol';
import { onAbort } from './abort.ts';
import { cancelled, type Calls } from './calls.ts';
import type { ConnectionState } from './connection-state.ts';
import { runSession, type OpenSession } from './session.ts';
import type { ClientSettings } from './settings.ts';
import type { PipeEnd } from './transport.ts';

/** After a connection that lasted this long the count of attempts starts again from 0. */
const STABLE_MS = 5_000;

/** Connects and reconnects, from `start` until `stop` or a failure that is final. */
export interface ConnectionLoop {
  readonly state: ConnectionState;
  /** Undefined unless the state is `connected`. */
  readonly calls: Calls | undefined;
  readonly start: (options?: { readonly signal?: AbortSignal | undefined }) => Promise<void>;
  readonly stop: () => Promise<void>;
}

export function createLoop(settings: ClientSettings): ConnectionLoop {
  const { clock, policy, skipNegotiation } = settings;
  let state: ConnectionState = { name: 'idle' };
  let stopping: AbortController | undefined;
  let started: Promise<void>;
  let ended: Promise<void> | undefined;
  let session: OpenSession | undefined;
  /** The node to prefer in the next attempt only: if that attempt fails, later ones go to any node. */
  let affinity: Affinity | undefined;
  /** Ends the delay before the next attempt. */
  let proceed: (() => void) | undefined;
  /** Whether the server asked for the delay. `onWake` then does not shorten it. */
  let isDelayFixed = false;

  /** Assigns the state and reports it. No other code does either. */
  const enter = (next: ConnectionState): void => {
    const before = state.name;
    state = next;
    settings.entered(state, before);
  };

  /** Runs one session after another. Returns the error that ended the last one, or undefined after `stop`. */
  const loop = async (stop: AbortSignal, started: () => void): Promise<Error | undefined> => {
    onAbort(stop, () => proceed?.());
    settings.onWake(() => {
      session?.probe();
      if (!isDelayFixed) proceed?.();
    }, stop);
    for (let attempt = 0, everOpen = false; !stop.aborted;) {
      let openAt = Infinity;
      if (!everOpen) enter({ name: 'connecting', attempt });
      const hint = affinity;
      affinity = undefined;
      const { cause, final } = await runSession(settings, {
        stop,
        // Without negotiation a page cannot see that its token was refused.
        fresh: skipNegotiation && attempt > 0,
        affinity: hint,
        opened(open) {
          session = open;
          everOpen = true;
          openAt = clock.now();
          affinity = open.affinity;
          enter({ name: 'connected', connectionId: open.connectionId, node: open.node });
          started();
        },
      });
      session = undefined;
      if (!cause) break;
      // A node that shuts down, or refused a request, is not preferred for the next attempt.
      const { code, details } = cause as Partial<HublineError<'connection_lost' | 'shutdown'>>;
      if (code === 'shutdown' || (details as Partial<PipeEnd> | undefined)?.status) affinity = undefined;
      if (clock.now() - openAt >= STABLE_MS) attempt = 0;
      const nextMs = final || !(everOpen || policy.initial) ? null : policy.nextDelayMs({ attempt, cause });
      if (nextMs === null) return cause;
      checkDuration('reconnect', nextMs);
      // After the delay that a busy server asks for, the delay of the policy keeps its clients from returning together.
      const retryAfterMs = (details as ErrorDetails['negotiation_failed'] | undefined)?.retryAfterMs ?? 0;
      const delayMs = nextMs + retryAfterMs;
      isDelayFixed = retryAfterMs > 0;
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
      return session?.calls;
    },
    start({ signal } = {}) {
      if (stopping && !stopping.signal.aborted) return started;
      const stop = (stopping = new AbortController());
      const promise = (started = new Promise<void>((resolve, reject) => {
        ended = (async (previous) => {
          await previous;
          // An error that the policy throws closes the connection.
          const cause = await loop(stop.signal, resolve).catch(asError);
          stop.abort();
          enter({ name: 'closed', ...(cause && { cause }) });
          // A caller that stops the connection need not handle the rejection of its `start()`.
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
