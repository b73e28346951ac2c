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
import { lost, type Call, type CallOptions, type Calls } from './calls.ts';
import { systemClock } from './clock.ts';
import { createLoop } from './connection-loop.ts';
import type { ConnectionEvents } from './connection-state.ts';
import type { EventArgs, HubCalls, HubConnection, Results } from './hub-connection.ts';
import { createReceivers } from './receivers.ts';
import { createStream } from './stream.ts';
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
  readonly accessToken?: AccessToken | undefined;
  /** How to come back: a policy, the options of `backoff`, or false for never. Default: for ever, with full jitter. */
  readonly reconnect?: ReconnectPolicy | BackoffOptions | false | undefined;
  /** The methods that the server may call, from the first message on: an object, also of a class. `receive` adds more. */
  readonly receiver?: Implementation<R> | undefined;
  /** Schemas of results: they check what comes back, and give `invalid_result` where it does not fit. */
  readonly results?: Results<H> | undefined;
  /**
   * Schemas of the tuples of arguments that receivers get (`z.tuple([…])`). An event that does not fit calls no receiver and is the event
   * `error` (`invalid_arguments`); a question is answered with that error. A schema that is asynchronous delays its event behind later ones.
   */
  readonly args?: EventArgs<R> | undefined;
  /** In no order: the server's decides. Default `[webSockets()]`. */
  readonly transports?: readonly Transport[] | undefined;
  /** Saves a request where the first transport is WebSockets; there is then no connection id, and no redirect. Default false. */
  readonly skipNegotiation?: boolean | undefined;
  /** The time for each call, unless `with` says otherwise. Default 30,000; `Infinity` for no end. */
  readonly callTimeoutMs?: number | undefined;
  /** A ping is sent when nothing was for so long. Default 15,000. Less than half of the server's client time-out. */
  readonly keepAliveMs?: number | undefined;
  /** The connection is lost when nothing came for so long. Default 30,000: at least twice the server's keep-alive. */
  readonly serverTimeoutMs?: number | undefined;
  /** The time for each step of an attempt: access token, negotiation, opening the transport, handshake. Default 15,000. */
  readonly startTimeoutMs?: number | undefined;
  /** Whether the token and `headers` follow a negotiate redirect to another origin that brings no token of its own. Default false. */
  readonly forwardCredentials?: boolean | undefined;
  /** The largest message of the server, in bytes; a larger one ends the connection. Default 16 MiB. */
  readonly maxMessageBytes?: number | undefined;
  /** Questions of the server that wait for their receiver's answer; more are refused. Default 1,000. */
  readonly maxQuestions?: number | undefined;
  /** Default `jsonCodec`. */
  readonly protocol?: Codec | undefined;
  /** Default: silence, but for one warning in the console per name that no receiver has. */
  readonly logger?: Logger | undefined;
}

const EVENTS: readonly (keyof ConnectionEvents)[] = ['state', 'reconnecting', 'reconnected', 'closed', 'lost', 'error'];

/** Has the names that the language calls behind our back: `await connection.invoke` must not call a method named "then". */
const NAMELESS = { then: undefined, toJSON: undefined };

/** Replacements that tests pass in; the defaults are the real ones. */
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
  /** A listener that throws must not stop what it listens to, at once or later. */
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
    ...surroundings,
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
      // Every state is an event too; who listens is told only of these two.
      if (state.name !== before) emit(state.name as 'closed' | 'reconnecting', (state as { readonly cause: Error }).cause);
      if (state.name === 'connected' && before === 'reconnecting') emit('reconnected', state.connectionId);
    },
  });
  /** @throws HublineError `connection_lost` */
  const calls = ({ method }: Call): Calls => {
    if (loop.calls) return loop.calls;
    throw lost(undefined, method);
  };
  /** Returns the result or item that the caller gets: the one that its schema returns. */
  const checked = (value: unknown, { method }: Call): unknown => {
    const schema = (results as Readonly<Record<string, StandardSchema<never> | undefined>>)[method];
    // Every object has a `constructor`, which is no schema.
    return schema?.['~standard'] ? validate(schema, value, { code: 'invalid_result', method }) : value;
  };
  const invoke = async (call: Call): Promise<unknown> =>
    checked(await calls(call).invoke({ timeoutMs: others.callTimeoutMs, ...call }), call);
  const send = (call: Call): void => {
    try {
      calls(call).send(call);
    } catch (error) {
      emit('lost', { method: call.method, error: asError(error) });
    }
  };
  const stream = (call: Call): AsyncIterable<unknown> =>
    createStream({ open: (...heard) => calls(call).stream(call, ...heard), check: (item) => checked(item, call) });
  const callsWith = (callOptions: CallOptions): HubCalls<H> => {
    /** `proxy.say("hi")` becomes `act({ method: "say", args: ["hi"] })`. */
    const proxy = (act: (call: Call) => unknown): object =>
      new Proxy(NAMELESS, {
        get: (target, key): unknown =>
          typeof key === 'symbol' || key in target ?
            (target as Record<PropertyKey, unknown>)[key]
          : (...args: unknown[]) => act({ ...callOptions, method: key, args }),
      });
    return { invoke: proxy(invoke), send: proxy(send), stream: proxy(stream) } as HubCalls<H>;
  };

  /** Events of the connection, and those of the server by the receiver's name. */
  const on = (event: string, listener: Listener): (() => void) => {
    if (!EVENTS.includes(event as keyof ConnectionEvents)) return receivers.add({ [event]: listener });
    // The same function may listen twice, and be undone once.
    const own: Listener = (...args) => listener(...args);
    events.on(event, own);
    return () => void events.off(event, own);
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
