import { HublineError, isHublineError, type Filter, type HubServer, type InvokeOptions, type PageOptions } from '@hubline/server';
import type { AnyHub } from './hubs.ts';
import type { TestAttributes } from './test-hub.ts';

/** The reply to one request of `POST /control`. */
export type ControlReply = { readonly value: unknown } | { readonly error: { readonly code: string; readonly message: string } };

/** Calls the API of the server by name: `{"hub":"testhub","op":"send","args":[{"all":true},"Message",["hi"]]}`. Never rejects. */
export async function control(command: unknown, server: HubServer, hubs: ReadonlyMap<string, AnyHub>): Promise<ControlReply> {
  try {
    const { hub: name = 'testhub', op, args = [] } = Object(command) as { hub?: string; op?: string; args?: readonly unknown[] };
    const hub = hubs.get(name);
    if (!hub) throw invalid('hub', `There is no hub '${name}'; there are ${[...hubs.keys()].join(', ')}.`);
    const operations = operationsOf(server, hub);
    const operation = op !== undefined && Object.hasOwn(operations, op) ? operations[op] : undefined;
    if (!operation) throw invalid('op', `There is no operation '${op}'; there are ${Object.keys(operations).join(', ')}.`);
    if (!Array.isArray(args)) throw invalid('args', 'The arguments are not a list.');
    return { value: (await operation(...(args as never[]))) ?? null };
  } catch (error) {
    return {
      error: { code: isHublineError(error) ? error.code : 'internal', message: error instanceof Error ? error.message : String(error) },
    };
  }
}

type AnyFilter = Filter<TestAttributes>;
type MethodsByName = Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;
/** The method, its arguments, and the options of a call. */
type Call = [method: string, args?: readonly unknown[], options?: InvokeOptions];

const operationsOf = (server: HubServer, hub: AnyHub): Readonly<Record<string, (...args: never[]) => unknown>> => ({
  send: async (target: AnyFilter, ...call: Call) => {
    const sent = callByName(hub.clients.matching(target).send, call) as { readonly confirmed: Promise<void> };
    await sent.confirmed;
  },
  invoke: (target: AnyFilter, ...call: Call) => {
    if (!('connection' in target)) throw invalid('target', 'invoke asks one connection: {"connection":"…"}.');
    return callByName(hub.clients.connection(target.connection).with(call[2] ?? {}).invoke, call);
  },
  invokeAll: (target: AnyFilter, ...call: Call) => callByName(hub.clients.matching(target).with(call[2] ?? {}).invokeAll, call),
  invokeOne: (target: AnyFilter, ...call: Call) => callByName(hub.clients.matching(target).with(call[2] ?? {}).invokeOne, call),
  'groups.add': hub.groups.add,
  'groups.remove': hub.groups.remove,
  'attributes.set': hub.attributes.set,
  disconnect: hub.disconnect,
  'presence.connections': (filter?: AnyFilter, options?: PageOptions<never>) => hub.presence.connections(filter, options),
  'presence.users': (options?: PageOptions) => hub.presence.users(options),
  'presence.isOnline': hub.presence.isOnline,
  'presence.count': (filter?: AnyFilter) => hub.presence.count(filter),
  'presence.groupsOf': hub.presence.groupsOf,
  nodes: () => server.nodes(),
  health: () => server.health(),
});

/** Untyped, because the names come from the request. */
function callByName(methods: object, [method, args = []]: Call): unknown {
  const call = (methods as MethodsByName)[method];
  if (!call) throw invalid('method', `'${method}' is no name for a method.`);
  return call(...args);
}

const invalid = (option: string, message: string): HublineError<'invalid_option'> =>
  new HublineError('invalid_option', message, { option });
