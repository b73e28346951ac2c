import { checkDurations, checkWindow, createMissing, warnOfUnknownOptions } from '#diagnostics';
import {
  asError,
  checkDuration,
  clientJsonCodec,
  given,
  validate,
  type Codec,
  type Contract,
  type Implementation,
  type StandardSchema,
} from '@hubline/protocol';
import { EventEmitter } from 'eventemitter3';
import { backoff, type BackoffOptions, type ReconnectPolicy } from './backoff.ts';
import { connectionLost, type Call, type CallOptions, type Calls } from './calls.ts';
import { systemClock, type Clock } from './clock.ts';
import { createLoop } from './connection-loop.ts';
import type { ConnectionEvents } from './connection-state.ts';
import type { EventArgs, HubCalls, HubConnection, Results } from './hub-connection.ts';
import { createReceivers } from './receivers.ts';
import { createStream } from './stream.ts';
import type { AccessToken } from './access-token.ts';
import type { ClientSettings } from './settings.ts';
import type { Network, Transport } from './transport.ts';
import { onWake } from './wake-events.ts';
import { webSockets } from './web-sockets.ts';

/** Gets one line per change of state: `info`, `warn` while reconnecting, `error` if a failure closes the connection. `console` is one. */
export interface Logger {
  info(message: string, ...details: unknown[]): void;
  warn(message: string, ...details: unknown[]): void;
  error(message: string, ...details: unknown[]): void;
}

export interface HubConnectionOptions<H, R> extends Network {
  /** Gives the token for each attempt. Called again, with `fresh`, if the server refused the token. Default: no token. */
  readonly accessToken?: AccessToken | undefined;
  /** How to reconnect: a policy, the options of `backoff`, or false for never. Default: `backoff()`, without a limit of attempts. */
  readonly reconnect?: ReconnectPolicy | BackoffOptions | false | undefined;
  /** The methods that the server may call: a plain object or an instance of a class. `receive` adds more. */
  readonly receiver?: Implementation<R> | undefined;
  /** Schemas of results and of stream items. A value that does not match rejects with `invalid_result`. */
  readonly results?: Results<H> | undefined;
  /**
   * Schemas of the arguments of receivers, each for a tuple (`z.tuple([…])`). If the arguments do not match, no receiver is called, the
   * event `error` reports `invalid_arguments`, and a server that waits for a result gets that error. An asynchronous schema can change the
   * order of events.
   */
  readonly args?: EventArgs<R> | undefined;
  /** The transports that may be used. The server decides their order. Default `[webSockets()]`. */
  readonly transports?: readonly Transport[] | undefined;
  /**
   * Connects without negotiation, by WebSockets only, which saves a request. There is then no redirect, and only a Hubline server tells the
   * connection id. Default false.
   */
  readonly skipNegotiation?: boolean | undefined;
  /** The time limit of each call, unless `with` sets another. Default 30,000; `Infinity` for none. */
  readonly callTimeoutMs?: number | undefined;
  /** A ping is sent if nothing was sent for this time. Default 15,000. Must be less than half of the server's client time-out. */
  readonly keepAliveMs?: number | undefined;
  /** The connection times out if nothing was received for this time. Default 30,000. Must be at least twice the server's keep-alive. */
  readonly serverTimeoutMs?: number | undefined;
  /** The time limit of each step of an attempt: access token, negotiation, opening a transport, handshake. Default 15,000. */
  readonly startTimeoutMs?: number | undefined;
  /** Whether the token and `headers` are sent to another origin after a redirect of negotiate without a token. Default false. */
  readonly forwardCredentials?: boolean | undefined;
  /** The largest message from the server, in bytes. A larger one ends the connection. Default 16 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** How many calls of the server may wait for the result of a receiver. More are refused. Default 1,000. */
  readonly maxQuestions?: number | undefined;
  /** The codec of messages. Default: JSON. */
  readonly protocol?: Codec | undefined;
  /** Default: nothing is logged, except warnings about unknown options and missing receivers, in the console of development builds. */
  readonly logger?: Logger | undefined;
  /** For tests: the time and the timers of the connection. Default: those of the runtime. */
  readonly clock?: Clock | undefined;
}

const EVENTS: readonly (keyof ConnectionEvents)[] = ['state', 'reconnecting', 'reconnected', 'closed', 'lost', 'error'];

/** Names that JavaScript itself looks up: `await connection.invoke` must not call a hub method named "then". */
const NO_METHODS = { then: undefined, toJSON: undefined };

/** Parts that tests replace. */
export type Replacements = Partial<Pick<ClientSettings, 'clock' | 'onWake'>>;

/**
 * Creates a connection to the hub of a contract. Nothing is sent before `start()`.
 *
 *     const connection = createHubConnection(chat, "/hubs/chat", { receiver: { said: (message) => show(message) } });
 *     await connection.start();
 *     await connection.invoke.say("lobby", "hi");
 *
 * @param url A relative one is resolved against the address of the page or worker. Its query is kept.
 */
export function createHubConnection<H, R, A>(
  contract: Contract<H, R, A>,
  url: string | URL,
  options: HubConnectionOptions<NoInfer<H>, NoInfer<R>> = {},
): HubConnection<H, R> {
  return connectionIn({}, contract, { ...options, url });
}

/** The composition root: creates every part, with the defaults of all options. */
export function connectionIn<H, R, A>(
  replacements: Replacements,
  { name }: Contract<H, R, A>,
  options: HubConnectionOptions<H, R> & { readonly url: string | URL },
): HubConnection<H, R> {
  const {
    reconnect = {},
    receiver = {},
    results = {},
    args = {},
    protocol = clientJsonCodec,
    logger,
    ...others
  } = {
    transports: [webSockets()],
    callTimeoutMs: 30_000,
    keepAliveMs: 15_000,
    serverTimeoutMs: 30_000,
    startTimeoutMs: 15_000,
    maxMessageBytes: 16 * 1024 * 1024,
    maxQuestions: 1_000,
    ...given(options),
  };
  checkDurations(others);
  const events = new EventEmitter<string>();
  /** Calls the listeners of an event. An error of a listener, asynchronous ones included, is reported and stops nothing. */
  const emit = <E extends keyof ConnectionEvents>(event: E, ...args: ConnectionEvents[E]): void => {
    for (const listener of events.listeners(event)) {
      (async () => (listener as Listener)(...args))().catch((error: unknown) => report(error, event));
    }
  };
  const report = (thrown: unknown, event?: keyof ConnectionEvents): void => {
    logger?.error(name, thrown);
    if (event !== 'error') emit('error', asError(thrown));
  };
  const warn = (text: string): void => (logger ?? console).warn(name, text);
  warnOfUnknownOptions(options, warn);
  const receivers = createReceivers({ args, report, missing: createMissing(warn) });
  receivers.add(receiver);

  const loop = createLoop({
    clock: systemClock,
    onWake,
    ...others,
    ...replacements,
    codec: protocol,
    policy:
      (reconnect as Partial<ReconnectPolicy>).nextDelayMs ?
        (reconnect as ReconnectPolicy)
      : backoff((reconnect as BackoffOptions) || { attempts: 0 }),
    receivers,
    report,
    entered(state, before) {
      const level = state.name === 'closed' ? 'error' : 'warn';
      logger?.['cause' in state ? level : 'info'](name, state);
      emit('state', state);
      // The name of every state is emitted; `closed` and `reconnecting` are documented events.
      if (state.name !== before) emit(state.name as 'closed' | 'reconnecting', (state as { readonly cause: Error }).cause);
      if (state.name === 'connected' && before === 'reconnecting') emit('reconnected', state.connectionId);
    },
  });
  /** @throws HublineError `connection_lost` */
  const callsFor = ({ method }: Call): Calls => {
    if (loop.calls) return loop.calls;
    throw connectionLost(undefined, method);
  };
  /** Returns the output of the method's schema for a result or item, or the value itself if there is no schema. */
  const checked = (value: unknown, { method }: Call): unknown => {
    const schema = (results as Readonly<Record<string, StandardSchema<never> | undefined>>)[method];
    // `results` inherits properties such as `constructor`, which are no schemas.
    return schema?.['~standard'] ? validate(schema, value, { code: 'invalid_result', method }) : value;
  };
  const invoke = async (call: Call): Promise<unknown> =>
    checked(await callsFor(call).invoke({ timeoutMs: others.callTimeoutMs, ...call }), call);
  const send = (call: Call): void => {
    try {
      callsFor(call).send(call);
    } catch (error) {
      emit('lost', { method: call.method, error: asError(error) });
    }
  };
  const stream = (call: Call): AsyncIterable<unknown> =>
    createStream({ open: (...callbacks) => callsFor(call).stream(call, ...callbacks), check: (item) => checked(item, call) });
  const callsWith = (callOptions: CallOptions): HubCalls<H> => {
    /** `proxy.say("hi")` becomes `act({ method: "say", args: ["hi"] })`. */
    const proxy = (act: (call: Call) => unknown): object =>
      new Proxy(NO_METHODS, {
        get: (target, key): unknown =>
          typeof key === 'symbol' || key in target ?
            (target as Record<PropertyKey, unknown>)[key]
          : (...args: unknown[]) => act({ ...callOptions, method: key, args }),
      });
    return { invoke: proxy(invoke), send: proxy(send), stream: proxy(stream) } as HubCalls<H>;
  };

  /** Listens to an event of the connection, or to calls of the server under this name. */
  const on = (event: string, listener: Listener): (() => void) => {
    if (!EVENTS.includes(event as keyof ConnectionEvents)) return receivers.add({ [event]: listener });
    // A wrapper of its own for each call: the same function may be added twice and removed once.
    const wrapper: Listener = (...args) => listener(...args);
    events.on(event, wrapper);
    return () => void events.removeListener(event, wrapper);
  };

  return {
    ...callsWith({}),
    get state() {
      return loop.state;
    },
    start: loop.start,
    stop: loop.stop,
    [Symbol.asyncDispose]: loop.stop,
    with: (callOptions) => callsWith(optionsOf(callOptions)),
    call: (method, args = [], callOptions = {}) => invoke({ ...optionsOf(callOptions), method, args }),
    receive: (added: object | string, handler?: unknown) => receivers.add(typeof added === 'string' ? { [added]: handler } : added),
    on,
    once(event: string, listener: Listener) {
      const undo = on(event, (...args) => {
        undo();
        return listener(...args);
      });
      return undo;
    },
  } as HubConnection<H, R>;
}

type Listener = (...args: unknown[]) => unknown;

/** @throws HublineError `invalid_option` */
function optionsOf(options: CallOptions): CallOptions {
  const { timeoutMs = Infinity, window } = options;
  checkDuration('timeoutMs', timeoutMs);
  checkWindow(window);
  return given(options);
}
