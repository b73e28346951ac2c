import { asError, HublineError, isHublineError, type Affinity } from '@hubline/protocol';
import type { ReconnectPolicy } from './backoff.ts';
import { onAbort } from './bounded.ts';
import type { ConnectionState } from './connection-state.ts';
import { Connector, isVerdict, type ConnectorOptions } from './connector.ts';
import { Session, type Ending, type SessionOptions } from './session.ts';

export interface LoopOptions extends ConnectorOptions, Omit<SessionOptions, 'opened'> {
  readonly policy: ReconnectPolicy;
  onWake(wake: () => void): () => void;
  entered(state: ConnectionState, before: ConnectionState): void;
}

/** A connection that lasted this long has proven itself: the next loss starts counting attempts anew. */
const PROVEN_MS = 5_000;

interface Run {
  readonly stop: AbortController;
  readonly started: Promise<void>;
  readonly ended: Promise<void>;
}

/** The life of a connection, from `start` to `stop` or a verdict. */
export class ConnectionLoop {
  readonly #options: LoopOptions;
  readonly #connector: Connector;
  #state: ConnectionState = { name: 'idle' };
  #run: Run | undefined;
  #session: Session | undefined;
  #affinity: Affinity | undefined;
  /** Ends the present wait, if there is one. */
  #proceed: (() => void) | undefined;

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#connector = new Connector(options);
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** The session that calls can be made over. */
  get session(): Session | undefined {
    return this.#session;
  }

  start(signal?: AbortSignal): Promise<void> {
    const previous = this.#run;
    if (previous && !previous.stop.signal.aborted && this.#state.name !== 'closed') return previous.started;
    const stop = new AbortController();
    let settle!: (error?: Error) => void;
    const started = new Promise<void>((resolve, reject) => (settle = (error) => (error ? reject(error) : resolve())));
    const undo = signal && onAbort(signal, () => stop.abort());
    const ended = Promise.resolve(previous?.ended).then(() =>
      this.#loop(stop.signal, (error) => {
        undo?.();
        settle(error);
      }),
    );
    this.#run = { stop, started, ended };
    return started;
  }

  async stop(): Promise<void> {
    this.#run?.stop.abort();
    await this.#run?.ended;
  }

  async #loop(stop: AbortSignal, started: (error?: Error) => void): Promise<void> {
    const { clock, onWake } = this.#options;
    const undoWake = onWake(() => {
      this.#proceed?.();
      this.#session?.prove();
    });
    let attempt = 0;
    let everOpen = false;
    let verdict: Error | undefined;
    while (!stop.aborted) {
      let openAt = Infinity;
      if (!everOpen) this.#enter({ name: 'connecting', attempt });
      const { cause, final } = await this.#live(stop, (connectionId) => {
        everOpen = true;
        openAt = clock.now();
        this.#enter({ name: 'connected', ...(connectionId && { connectionId }) });
        started();
      });
      if (stop.aborted || !cause) break;
      if (clock.now() - openAt >= PROVEN_MS) attempt = 0;
      const delayMs = final ? null : this.#nextDelayMs({ attempt, cause, everOpen });
      if (delayMs === null) {
        verdict = cause;
        break;
      }
      attempt++;
      if (everOpen) this.#enter({ name: 'reconnecting', attempt, delayMs, cause });
      await this.#wait(delayMs, stop);
    }
    undoWake();
    this.#enter({ name: 'closed', ...(verdict && { cause: verdict }) });
    started(verdict ?? new HublineError('cancelled', 'The connection was stopped before it was open.', {}));
  }

  /** One attempt, and the connection that comes of it: lasts as long as that does. */
  async #live(stop: AbortSignal, opened: (connectionId: string | undefined) => void): Promise<Ending> {
    // A node that could not take us back is not asked again.
    const affinity = this.#affinity;
    this.#affinity = undefined;
    let undo: (() => void) | undefined;
    try {
      const session: Session = new Session({
        ...this.#options,
        opened: () => {
          this.#session = session;
          this.#affinity = connected.affinity;
          opened(connected.connectionId);
        },
      });
      const connected = await this.#connector.connect({ signal: stop, receive: session.receive, affinity });
      session.begin(connected.pipe);
      undo = onAbort(stop, () => session.stop());
      const ending = await session.ended;
      if (stop.aborted) await connected.pipe.closed;
      if (isHublineError(ending.cause) && ending.cause.code === 'shutdown') this.#affinity = undefined;
      return ending;
    } catch (error) {
      return { cause: asError(error), final: isVerdict(error) };
    } finally {
      undo?.();
      this.#session = undefined;
    }
  }

  #nextDelayMs({ attempt, cause, everOpen }: { attempt: number; cause: Error; everOpen: boolean }): number | null {
    const { policy, report } = this.#options;
    if (!everOpen && !policy.initial) return null;
    try {
      return policy.nextDelayMs({ attempt, cause });
    } catch (error) {
      report(error);
      return null;
    }
  }

  /** Waits, but not longer than until somebody stops, or wakes us. */
  async #wait(delayMs: number, stop: AbortSignal): Promise<void> {
    let undo = (): void => {};
    await new Promise<void>((resolve) => {
      const undoTimer = this.#options.clock.after(delayMs, resolve);
      const undoStop = onAbort(stop, () => resolve());
      this.#proceed = resolve;
      undo = () => {
        undoTimer();
        undoStop();
      };
    });
    undo();
    this.#proceed = undefined;
  }

  /** The only place that assigns the state, and therefore the only place that announces it. */
  #enter(state: ConnectionState): void {
    const before = this.#state;
    this.#state = state;
    this.#options.entered(state, before);
  }
}
