import { read, type Read, type Topic } from '../backplane/index.ts';

/** Describes the connections of a send, a call or a query. Each node evaluates it over its own connections. */
export type Selector = (
  | { readonly topic: Topic }
  | { readonly connection: string }
  | { readonly allOf: readonly Selector[] }
  | { readonly anyOf: readonly Selector[] }
) & { readonly except?: readonly string[] };

/** The connections over which a selector is evaluated, by topic and by id. */
export interface MemberIndex<M> {
  members(topic: Topic): ReadonlyMap<string, M>;
  connection(connectionId: string): M | undefined;
}

/** Returns the members that the selector matches, by connection id. Read the map at once: it may be a map of the index, which changes. */
export function select<M>(selector: Selector, index: MemberIndex<M>): ReadonlyMap<string, M> {
  const named = candidates(selector, index);
  return isExact(selector) ? named : new Map([...named].filter(([id]) => matches(selector, id, index)));
}

/** Whether every candidate matches, without a check. */
function isExact(selector: Selector): boolean {
  if (selector.except || 'allOf' in selector) return false;
  return 'anyOf' in selector ? selector.anyOf.every(isExact) : true;
}

/** Returns the smallest map of the index that contains all members of the selector. */
function candidates<M>(selector: Selector, index: MemberIndex<M>): ReadonlyMap<string, M> {
  if ('topic' in selector) return index.members(selector.topic);
  if ('connection' in selector) {
    const member = index.connection(selector.connection);
    return new Map(member === undefined ? [] : [[selector.connection, member]]);
  }
  const parts = ('allOf' in selector ? selector.allOf : selector.anyOf).map((part) => candidates(part, index));
  if ('allOf' in selector) return parts.reduce((least, part) => (part.size < least.size ? part : least));
  return new Map(parts.flatMap((part) => [...part]));
}

function matches<M>(selector: Selector, id: string, index: MemberIndex<M>): boolean {
  if (selector.except?.includes(id)) return false;
  if ('topic' in selector) return index.members(selector.topic).has(id);
  if ('connection' in selector) return selector.connection === id;
  if ('allOf' in selector) return selector.allOf.every((part) => matches(part, id, index));
  return selector.anyOf.some((part) => matches(part, id, index));
}

/** The topics and connection ids that a selector contains, each once. */
export interface SelectorTerms {
  readonly topics: readonly Topic[];
  readonly connections: readonly string[];
}

/** Collects the terms of a selector, without connections in `except`. `ofAll` combines the terms of the parts of an `allOf`; by default it takes all. */
export function termsOf(selector: Selector, ofAll: (parts: readonly SelectorTerms[]) => SelectorTerms = union): SelectorTerms {
  const { topics, connections } = allTerms(selector, ofAll);
  return { topics, connections: connections.filter((id) => !selector.except?.includes(id)) };
}

function allTerms(selector: Selector, ofAll: (parts: readonly SelectorTerms[]) => SelectorTerms): SelectorTerms {
  if ('topic' in selector) return { topics: [selector.topic], connections: [] };
  if ('connection' in selector) return { topics: [], connections: [selector.connection] };
  if ('allOf' in selector) return ofAll(selector.allOf.map((part) => termsOf(part, ofAll)));
  return union(selector.anyOf.map((part) => termsOf(part, ofAll)));
}

const union = (parts: readonly SelectorTerms[]): SelectorTerms => ({
  topics: [...new Set(parts.flatMap(({ topics }) => topics))],
  connections: [...new Set(parts.flatMap(({ connections }) => connections))],
});

const MAX_DEPTH = 64;

/** Decodes a selector that another node sent. @throws HublineError `invalid_message` */
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
