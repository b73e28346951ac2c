import { checkKnown, checkName, MessageType } from '@hubline/protocol';
import type { Invocations } from '../invocation/index.ts';
import type { Broadcaster, Selector } from '../membership/index.ts';
import { nonEmpty, type Filters } from './filter.ts';
import { checkMs, checkSignal } from './option-checks.ts';
import type { Operations } from './operation.ts';
import type { AnyTarget, CallerClients, Clients, ClientTarget, Filter, Target, TargetOptions } from './types.ts';

/** A call that holds its turn. */
export interface CallTurn {
  giveUpTurn(): void;
}

/** The parts that a target sends and invokes through. */
export interface TargetParts<A> {
  readonly hub: string;
  readonly broadcaster: Broadcaster;
  readonly invocations: Invocations;
  readonly filters: Filters<A>;
  readonly operations: Operations;
  /** The call that uses the target, inside a method. */
  readonly call?: CallTurn;
}

/** Creates `hub.clients`. */
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

/** Creates `ctx.clients`. */
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
  const { hub, broadcaster, invocations, operations, call } = base;
  const invokeOne = async (method: string, args: readonly unknown[]): Promise<unknown> => {
    call?.giveUpTurn();
    return invocations.one({ hub, selector, method, args }, options);
  };
  const invoke = async (method: string, args: readonly unknown[]): Promise<unknown> => {
    if (!('connection' in selector)) return invokeOne(method, args);
    call?.giveUpTurn();
    return invocations.single(selector.connection, { hub, selector, method, args }, options);
  };
  const target = {
    send: methodProxy((method, args) =>
      broadcaster.send(hub, selector, {
        message: { type: MessageType.Invocation, target: method, arguments: args },
        replaces: options.replaces,
      }),
    ),
    invoke: methodProxy((method, args) => operations(`invoke of ${method}`, () => invoke(method, args))),
    invokeOne: methodProxy((method, args) => operations(`invokeOne of ${method}`, () => invokeOne(method, args))),
    invokeAll: methodProxy((method, args) => {
      call?.giveUpTurn();
      return invocations.all({ hub, selector, method, args }, options);
    }),
    with: (more: TargetOptions) => targetOf<R, A>(base, selector, { ...options, ...checkedOptions(more) }),
    except: (...ids: readonly string[]) => targetOf<R, A>(base, base.filters.except(selector, ids), options),
  };
  base.filters.registerTarget(target, selector);
  // Only the compiler knows the methods and their parameters: at run time they are names and values.
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

/** Names that JavaScript itself looks up on objects: no receiver method can have them. */
const RESERVED = new Set(['then', 'catch', 'finally', 'toJSON', 'toString', 'valueOf', 'constructor', 'prototype', '__proto__']);

/** Creates a proxy that turns `target.send.said(message)` into `run("said", [message])`. */
function methodProxy(run: (method: string, args: readonly unknown[]) => unknown): object {
  return new Proxy(
    {},
    {
      get: (_target, name) =>
        typeof name === 'string' && !RESERVED.has(name) ? (...args: readonly unknown[]) => run(name, args) : undefined,
    },
  );
}
