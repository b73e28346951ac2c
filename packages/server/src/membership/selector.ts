import { read, type Read, type Topic } from '../backplane/index.ts';

/** Describes the connections that a send, a call or a query is for. Each node evaluates it over its own connections. */
export type Selector = (
  | { readonly topic: Topic }
  | { readonly connection: string }
  | { readonly allOf: readonly Selector[] }
  | { readonly anyOf: readonly Selector[] }
) & { readonly except?: readonly string[] };

/** The members of one node by connection id, over which a selector is evaluated. */
export interface MemberIndex<M> {
  members(topic: Topic): ReadonlyMap<string, M>;
  connection(connectionId: string): M | undefined;
}

/** The members that the selector matches, by connection id. The map may be the population's own: read it at once. */
export function select<M>(selector: Selector, population: MemberIndex<M>): ReadonlyMap<string, M> {
  const named = candidates(selector, population);
  return isExact(selector) ? named : new Map([...named].filter(([id]) => matches(selector, id, population)));
}

/** Whether all candidates match. */
function isExact(selector: Selector): boolean {
  if (selector.except || 'allOf' in selector) return false;
  return 'anyOf' in selector ? selector.anyOf.every(isExact) : true;
}

/** The smallest available set that contains all members of the selector. */
function candidates<M>(selector: Selector, population: MemberIndex<M>): ReadonlyMap<string, M> {
  if ('topic' in selector) return population.members(selector.topic);
  if ('connection' in selector) {
    const member = population.connection(selector.connection);
    return new Map(member === undefined ? [] : [[selector.connection, member]]);
  }
  const parts = ('allOf' in selector ? selector.allOf : selector.anyOf).map((part) => candidates(part, population));
  if ('allOf' in selector) return parts.reduce((least, part) => (part.size < least.size ? part : least));
  return new Map(parts.flatMap((part) => [...part]));
}

function matches<M>(selector: Selector, id: string, population: MemberIndex<M>): boolean {
  if (selector.except?.includes(id)) return false;
  if ('topic' in selector) return population.members(selector.topic).has(id);
  if ('connection' in selector) return selector.connection === id;
  if ('allOf' in selector) return selector.allOf.every((part) => matches(part, id, population));
  return selector.anyOf.some((part) => matches(part, id, population));
}

/** All topics in a selector. */
export function topicsIn(selector: Selector): readonly Topic[] {
  if ('topic' in selector) return [selector.topic];
  if ('connection' in selector) return [];
  return [...new Set(('allOf' in selector ? selector.allOf : selector.anyOf).flatMap(topicsIn))];
}

/** All connection ids in a selector. */
export function connectionsIn(selector: Selector): readonly string[] {
  if ('connection' in selector) return [selector.connection];
  if ('topic' in selector) return [];
  return [...new Set(('allOf' in selector ? selector.allOf : selector.anyOf).flatMap(connectionsIn))];
}

const MAX_DEPTH = 64;

/** Checks a selector that another node wrote. @throws HublineError `invalid_message` */
export const readSelector: Read<Selector> = (value) => readSelectorAt(value, 0);

function readSelectorAt(value: unknown, depth: number): Selector {
  if (depth > MAX_DEPTH) read.refuse('a selector of a bounded depth', value);
  const from = read.object(value) as Readonly<Record<string, unknown>>;
  const parts = read.list((part) => readSelectorAt(part, depth + 1));
  const except = read.optional(read.list(read.text))(from.except);
  const selector =
    'topic' in from ? { topic: read.text(from.topic) }
    : 'connection' in from ? { connection: read.text(from.connection) }
    : 'allOf' in from ? { allOf: nonEmpty(parts(from.allOf)) }
    : { anyOf: nonEmpty(parts(from.anyOf)) };
  return except ? { ...selector, except } : selector;
}

const nonEmpty = (parts: readonly Selector[]): readonly Selector[] =>
  parts.length > 0 ? parts : read.refuse('a part of a selector', undefined);
