import { checkKnown, checkName, MessageType } from '@hubline/protocol';
import type { Invocations } from '../invocation/index.ts';
import type { Broadcaster, Selector } from '../membership/index.ts';
import { nonEmpty, type Filters } from './filter.ts';
import { checkMs, checkSignal } from './option-checks.ts';
import type { Operations } from './operation.ts';
import type { AnyTarget, CallerClients, Clients, ClientTarget, Filter, Target, TargetOptions } from './types.ts';

/** The parts that a target sends and invokes through. */
export interface TargetParts<A> {
  readonly hub: string;
  readonly broadcaster: Broadcaster;
  readonly invocations: Invocations;
  readonly filters: Filters<A>;
  readonly operations: Operations;
  /** Called before clients are invoked: the calling method gives up its turn. */
  readonly asking?: () => void;
}

/** `hub.clients` */
export function clientsOf<R, A>(base: TargetParts<A>): Clients<R, A> {
  const target = (whom: Filter<A> | AnyTarget): Target<R> => targetOf<R, A>(base, base.filters.selector(whom));
  const parts = (all: readonly (Filter<A> | AnyTarget)[], what: string): readonly Selector[] =>
    nonEmpty(
      all.map((whom) => base.filters.selector(whom)),
      what,
    );
  return {
    get all() {
      return target({ all: true });
    },
    group: (group) => target({ group }),
    user: (user) => target({ user }),
    connection: (connection) => targetOf<R, A>(base, base.filters.selector({ connection })),
    where: (where) => target({ where }),
    allOf: (...all) => targetOf<R, A>(base, { allOf: parts(all, 'allOf') }),
    anyOf: (...all) => targetOf<R, A>(base, { anyOf: parts(all, 'anyOf') }),
    matching: target,
  };
}

/** `ctx.clients` */
export function callerClients<R, A>(clients: Clients<R, A>, connectionId: string): CallerClients<R, A> {
  return {
    ...clients,
    get caller() {
      return clients.connection(connectionId);
    },
    get others() {
      return clients.all.except(connectionId);
    },
    othersInGroup: (name) => clients.group(name).except(connectionId),
  };
}

function targetOf<R, A>(base: TargetParts<A>, selector: Selector, options: TargetOptions = {}): ClientTarget<R> {
  const { hub, broadcaster, invocations, operations, asking } = base;
  const ask = <T>(question: () => T): T => {
    asking?.();
    return question();
  };
  const one = (method: string, args: readonly unknown[]): Promise<unknown> =>
    'connection' in selector ?
      invocations.single(selector.connection, { hub, selector, method, args }, options)
    : invocations.one({ hub, selector, method, args }, options);
  const target = {
    send: speaking((method, args) =>
      broadcaster.send(hub, selector, {
        message: { type: MessageType.Invocation, target: method, arguments: args },
        replaces: options.replaces,
      }),
    ),
    invoke: speaking((method, args) => operations(`invoke of ${method}`, () => ask(() => one(method, args)))),
    invokeOne: speaking((method, args) =>
      operations(`invokeOne of ${method}`, () => ask(() => invocations.one({ hub, selector, method, args }, options))),
    ),
    invokeAll: speaking((method, args) => ask(() => invocations.all({ hub, selector, method, args }, options))),
    with: (more: TargetOptions) => targetOf<R, A>(base, selector, { ...options, ...checkedOptions(more) }),
    except: (...ids: readonly string[]) => targetOf<R, A>(base, base.filters.except(selector, ids), options),
  };
  base.filters.isTarget(target, selector);
  // Only the compiler knows the methods and their parameters; here the contract's types become method names.
  return target as unknown as ClientTarget<R>;
}

const OPTIONS: Readonly<Record<keyof TargetOptions, true>> = { timeoutMs: true, attemptMs: true, race: true, signal: true, replaces: true };

/** @throws HublineError `invalid_option` */
function checkedOptions(options: TargetOptions): TargetOptions {
  checkKnown(options, Object.keys(OPTIONS), { within: 'options' });
  checkMs(options.timeoutMs, 'timeoutMs');
  checkMs(options.attemptMs, 'attemptMs');
  checkSignal(options.signal);
  if (options.replaces !== undefined) checkName(options.replaces, 'replaces');
  return options;
}

/** Names that the language itself looks up on objects: no receiver method can have them. */
const RESERVED = new Set(['then', 'catch', 'finally', 'toJSON', 'toString', 'valueOf', 'constructor', 'prototype', '__proto__']);

/** A proxy that turns `target.send.said(message)` into `speak("said", [message])`. */
function speaking(speak: (method: string, args: readonly unknown[]) => unknown): object {
  return new Proxy(
    {},
    {
      get: (_target, name) =>
        typeof name === 'string' && !RESERVED.has(name) ? (...args: readonly unknown[]) => speak(name, args) : undefined,
    },
  );
}
