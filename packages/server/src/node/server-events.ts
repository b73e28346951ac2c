import { EventEmitter } from 'node:events';
import { asError, checkFunctions, invalidOption, type Logger } from '@hubline/protocol';
import type { LinkObserver, NodeInfo } from '../backplane/index.ts';
import type { Loss } from '../membership/index.ts';

export interface HubServerEvents {
  /** Background work failed, or user code failed in a way that its caller does not see. */
  error: [stage: string, error: unknown];
  /** A message did not reach all of its target's connections. */
  lost: [loss: Loss];
  backplaneDown: [cause: Error];
  backplaneUp: [outage: { readonly ms: number }];
  gap: Parameters<LinkObserver['gap']>;
  nodeJoined: [node: NodeInfo];
  nodeLost: [node: NodeInfo, reason: 'goodbye' | 'lease'];
}

export type HubServerEvent = keyof HubServerEvents;

const LEVELS = {
  error: 'error',
  lost: 'warn',
  backplaneDown: 'warn',
  backplaneUp: 'info',
  gap: 'warn',
  nodeJoined: 'info',
  nodeLost: 'info',
} as const satisfies Record<HubServerEvent, keyof Logger>;

/**
 * Emits the events of a server. The error or rejection of a listener becomes an `error` event or, if the listener of `error` itself
 * failed, a line of the log. It reaches neither the emitting code nor the process.
 */
export class ServerEvents {
  readonly #emitter = new EventEmitter();
  readonly #logger: Logger | undefined;
  /** Errors that were printed: an error that passes several stages is printed once. */
  readonly #printed = new WeakSet<object>();

  constructor(logger: Logger | undefined) {
    this.#logger = logger;
  }

  on<E extends HubServerEvent>(event: E, listener: (...args: HubServerEvents[E]) => void): () => void {
    if (!Object.hasOwn(LEVELS, event)) throw invalidOption('event', `must be one of ${Object.keys(LEVELS).join(', ')}`);
    checkFunctions({ listener });
    const call = listener as (...args: unknown[]) => void;
    this.#emitter.on(event, call);
    return () => void this.#emitter.off(event, call);
  }

  emit<E extends HubServerEvent>(event: E, ...args: HubServerEvents[E]): void {
    if (event !== 'error') this.#log(LEVELS[event], event, args);
    this.#callListeners(event, args);
  }

  /** Emits an `error` event. Without a listener and a logger the error goes to `console.error`. Never throws. */
  readonly report = (stage: string, error: unknown): void => {
    if (this.#logger || this.#emitter.listenerCount('error') === 0) this.#print(stage, error);
    this.#callListeners('error', [stage, error]);
  };

  #callListeners(event: HubServerEvent, args: readonly unknown[]): void {
    for (const listener of this.#emitter.listeners(event)) {
      // An async function: a rejection is handled like an exception.
      const running = (async () => (listener as (...args: readonly unknown[]) => unknown)(...args))();
      running.catch((error: unknown) => {
        if (event === 'error') this.#print('listener of error', error);
        else this.report(`listener of ${event}`, error);
      });
    }
  }

  #print(stage: string, error: unknown): void {
    if (typeof error === 'object' && error !== null) {
      if (this.#printed.has(error)) return;
      this.#printed.add(error);
    }
    this.#log('error', stage, [error]);
  }

  #log(level: keyof Logger, message: string, details: readonly unknown[]): void {
    const logger = this.#logger ?? (level === 'error' ? console : undefined);
    const logged = (async () => logger?.[level](`hubline: ${message}`, ...details))();
    // A logger reads the properties of what it prints, and a getter may throw.
    logged.catch((fault: unknown) => {
      // eslint-disable-next-line no-console -- the logger itself has failed
      console.error(`hubline: ${message}`, ...details.map(textOf), `(the logger failed: ${textOf(fault)})`);
    });
  }
}

const textOf = (thrown: unknown): string => asError(thrown).message;
