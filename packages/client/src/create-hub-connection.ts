import { asError, clientJsonCodec, validate, type Codec, type Contract, type Implementation, type StandardSchema } from '@hubline/protocol';
import { EventEmitter } from 'eventemitter3';
import { backoff, type BackoffOptions, type ReconnectPolicy } from './backoff.ts';
import { lost, type Call, type CallOptions, type Calls } from './calls.ts';
import { systemClock } from './clock.ts';
import { createLoop } from './connection-loop.ts';
import type { ConnectionEvents } from './connection-state.ts';
import type { HubCalls, HubConnection, Results } from './hub-connection.ts';
import { createReceivers } from './receivers.ts';
import type { AccessToken } from './access-token.ts';
import type { Settings } from './settings.ts';
import type { Network, Transport } from './transport.ts';
import { onWake } from './wake.ts';
import { webSockets } from './web-sockets.ts';

/** Takes a line per change of state (`info`, `warn` while reconnecting, `error` when closed by a failure). `console` is one. */
export interface Logger {
  info(message: string, ...details: unknown[]): void;
  warn(message: string, ...details: unknown[]): void;
  error(message: string, ...details: unknown[]): void;
}

export interface HubConnectionOptions<H, R> extends Network {
  /** Gives the token for each attempt; asked once more, with `fresh`, when the server refused it. Default: no token. */
  readonly accessToken?: AccessToken;
  /** How to come back: a policy, the options of `backoff`, or false for never. Default: for ever, with full jitter. */
  readonly reconnect?: ReconnectPolicy | BackoffOptions | false;
  /** What the server may call, from the first message on. More can be added with `receive`. */
  readonly receiver?: Implementation<R>;
  /** Checks what comes back. */
  readonly results?: Results<H>;
  /** In no order: the server's decides. Default `[webSockets()]`. */
  readonly transports?: readonly Transport[];
  /** Saves a request where the first transport is WebSockets; there is then no connection id, and no redirect. Default false. */
  readonly skipNegotiation?: boolean;
  /** The time for each call, unless `with` says otherwise. Default 30,000; `Infinity` for no end. */
  readonly callTimeoutMs?: number;
  /** A ping is sent when nothing was for so long. Default 15,000. Less than half of the server's client time-out. */
  readonly keepAliveMs?: number;
  /** The connection is lost when nothing came for so long. Default 30,000: at least twice the server's keep-alive. */
  readonly serverTimeoutMs?: number;
  /** The time for each step of an attempt: negotiation, opening the transport, handshake. Default 15,000. */
  readonly startTimeoutMs?: number;
  /** Default `jsonCodec`. */
  readonly protocol?: Codec;
  /** Default: silence. */
  readonly logger?: Logger;
}

/** Has the names that the language calls behind our back: `await connection.invoke` must not call a method named "then". */
const NAMELESS = { then: undefined, toJSON: undefined };

/** What tests bring along; everybody else gets the real one. */
export type Surroundings = Partial<Pick<Settings, 'clock' | 'onWake'>>;

/**
 * A connection to the hub of a contract. Has no effect before `start()`.
 *
 *     const connection = createHubConnection(chat, "/hubs/chat", { receiver: { said: (message) => show(message) } });
 *     await connection.start();
 *     await connection.invoke.say("lobby", "hi");
 *
 * @param url Relative ones are resolved against the page's or worker's address. Its query is kept.
 */
export function createHubConnection<H, R, A>(
  contract: Contract<H, R, A>,
  url: string | URL,
  options: HubConnectionOptions<NoInfer<H>, NoInfer<R>> = {},
): HubConnection<H, R> {
  return connectionIn({}, contract, { ...options, url });
}

/** The composition root: the one place that knows every part, and every default. */
export function connectionIn<H, R, A>(
  surroundings: Surroundings,
  { name }: Contract<H, R, A>,
  options: HubConnectionOptions<H, R> & { readonly url: string | URL },
): HubConnection<H, R> {
  const { reconnect = {}, receiver = {}, results = {}, callTimeoutMs = 30_000, protocol = clientJsonCodec, logger } = options;
  const events = new EventEmitter();
  const emit = <E extends keyof ConnectionEvents>(event: E, ...args: ConnectionEvents[E]): unknown => events.emit(event, ...args);
  const report = (thrown: unknown, event?: keyof ConnectionEvents): void => {
    logger?.error(name, thrown);
    if (event !== 'error') emit('error', asError(thrown));
  };
  const receivers = createReceivers(report);
  receivers.add(receiver);

  const loop = createLoop({
    transports: [webSockets()],
    keepAliveMs: 15_000,
    serverTimeoutMs: 30_000,
    startTimeoutMs: 15_000,
    clock: systemClock,
    onWake,
    ...options,
    ...surroundings,
    codec: protocol,
    policy:
      (reconnect as Partial<ReconnectPolicy>).nextDelayMs ?
        (reconnect as ReconnectPolicy)
      : backoff((reconnect as BackoffOptions) || { attempts: 0 }),
    receivers,
    report,
    entered(state, before) {
      logger?.['cause' in state ? 'warn' : 'info'](name, state);
      emit('state', state);
      // Every state is an event too; who listens is told only of these two.
      if (state.name !== before) emit(state.name as 'closed' | 'reconnecting', (state as { readonly cause: Error }).cause);
      if (state.name === 'connected' && before === 'reconnecting') emit('reconnected', state.connectionId);
    },
  });
  /** @throws HublineError `connection_lost` */
  const calls = ({ method }: Call): Calls => {
    if (loop.calls) return loop.calls;
    throw lost(method);
  };
  const invoke = async (call: Call): Promise<unknown> => calls(call).invoke({ timeoutMs: callTimeoutMs, ...call });
  const send = (call: Call): void => {
    try {
      calls(call).send(call);
    } catch (error) {
      emit('lost', { method: call.method, error: asError(error) });
    }
  };
  async function* stream(call: Call): AsyncGenerator<unknown> {
    yield* calls(call).stream(call);
  }
  /** `call` as the parts of this connection have it. */
  const callOf = (method: string, args: readonly unknown[], callOptions: CallOptions): Call => ({
    ...callOptions,
    method,
    args,
    check(value) {
      const schema = (results as Readonly<Record<string, StandardSchema<never> | undefined>>)[method];
      // Every object has a `constructor`, which is no schema.
      return schema?.['~standard'] ? validate(schema, value, { code: 'invalid_result', method }) : value;
    },
  });
  const callsWith = (callOptions: CallOptions): HubCalls<H> => {
    /** `proxy.say("hi")` becomes `act({ method: "say", args: ["hi"] })`. */
    const proxy = (act: (call: Call) => unknown): object =>
      new Proxy(NAMELESS, {
        get: (target, key): unknown =>
          typeof key === 'symbol' || key in target ?
            (target as Record<PropertyKey, unknown>)[key]
          : (...args: unknown[]) => act(callOf(key, args, callOptions)),
      });
    return { invoke: proxy(invoke), send: proxy(send), stream: proxy(stream) } as HubCalls<H>;
  };

  return {
    ...callsWith({}),
    get state() {
      return loop.state;
    },
    start: loop.start,
    stop: loop.stop,
    [Symbol.asyncDispose]: loop.stop,
    with: callsWith,
    call: (method, args = [], callOptions = {}) => invoke(callOf(method, args, callOptions)),
    receive: receivers.add,
    on(event, listener) {
      // A listener that throws must not stop what it listens to.
      const guarded = (...args: ConnectionEvents[typeof event]): void => {
        try {
          listener(...args);
        } catch (error) {
          report(error, event);
        }
      };
      events.on(event, guarded);
      return () => void events.off(event, guarded);
    },
  };
}
