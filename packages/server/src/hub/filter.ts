import { checkName, HublineError, invalidOption } from '@hubline/protocol';
import { allTopic, attributeTopic, groupTopic, userTopic } from '../backplane/index.ts';
import { checkConnectionId } from '../connection/index.ts';
import type { Selector } from '../membership/index.ts';
import { attributeValue } from './members.ts';
import type { AnyTarget, Filter } from './types.ts';

/** Filters may come from clients, as JSON: a deeper one could exhaust the stack, and is refused. */
const MAX_FILTER_DEPTH = 16;

/** The selectors of targets, kept outside the objects: the public members of a target only send and invoke. */
const targets = new WeakMap<object, { readonly hub: string; readonly selector: Selector }>();

/** Turns a hub's filters into selectors. Checks every name in a filter; the rooms below do not check again. */
export class Filters<A> {
  readonly #hub: string;
  readonly #isIndexed: (attribute: string) => boolean;

  constructor(hub: string, isIndexed: (attribute: string) => boolean) {
    this.#hub = hub;
    this.#isIndexed = isIndexed;
  }

  /**
   * Returns the selector of a filter, or of a target of this hub. @throws HublineError `attribute_not_indexed`, `empty_target`, or
   * `invalid_option` for any other value
   */
  selector(whom: Filter<A> | AnyTarget): Selector {
    const target = targets.get(whom);
    if (target && target.hub !== this.#hub) throw invalidOption('target', `is one of hub '${target.hub}', and this is '${this.#hub}'`);
    return target?.selector ?? this.#selector(whom, 1);
  }

  /** Records the selector of a target. */
  registerTarget(target: object, selector: Selector): void {
    targets.set(target, { hub: this.#hub, selector });
  }

  /** Excludes connections from a selector. @throws HublineError `invalid_option` */
  except(selector: Selector, connectionIds: unknown): Selector {
    const ids = list(connectionIds, 'except').map((id) => checkConnectionId(id, 'except'));
    return ids.length === 0 ? selector : { ...selector, except: [...(selector.except ?? []), ...ids] };
  }

  #selector(filter: unknown, depth: number): Selector {
    if (typeof filter !== 'object' || filter === null) throw invalidOption('filter', 'must be an object');
    if (depth > MAX_FILTER_DEPTH) throw invalidOption('filter', `is nested more than ${MAX_FILTER_DEPTH} levels deep`);
    const { except = [], ...kinds } = filter as Readonly<Record<string, unknown>>;
    const [kind, another] = Object.entries(kinds);
    // One of several kinds alone would match more clients than the caller meant.
    if (!kind || another) throw invalidOption('filter', `has exactly one of ${KINDS.join(', ')}, and except beside it`);
    return this.except(this.#plain(...kind, depth), except);
  }

  #plain(kind: string, value: unknown, depth: number): Selector {
    const parts = (): readonly Selector[] => list(value, kind).map((part) => this.#selector(part, depth + 1));
    switch (kind as (typeof KINDS)[number]) {
      case 'all':
        if (value !== true) throw invalidOption('all', 'must be true');
        return { topic: allTopic(this.#hub) };
      case 'group':
        return { topic: groupTopic(this.#hub, checkName(value, 'group')) };
      case 'user':
        return { topic: userTopic(this.#hub, checkName(value, 'user')) };
      case 'connection':
        return { connection: checkConnectionId(value, 'connection') };
      case 'where':
        return this.#where(value);
      case 'allOf':
        return { allOf: nonEmpty(parts(), 'allOf') };
      case 'anyOf':
        return { anyOf: nonEmpty(parts(), 'anyOf') };
    }
    throw invalidOption('filter', `has exactly one of ${KINDS.join(', ')}`);
  }

  /** Refuses undefined values too: without them the filter would match more clients than the caller meant. */
  #where(attributes: unknown): Selector {
    if (typeof attributes !== 'object' || attributes === null) throw invalidOption('where', 'must be an object');
    const selectors = Object.entries(attributes).map(([attribute, value]): Selector => {
      checkName(attribute, 'where');
      if (this.#isIndexed(attribute)) return { topic: attributeTopic(this.#hub, attribute, attributeValue(attribute, value)) };
      // Without an index the query would be a hidden broadcast to every node.
      throw new HublineError('attribute_not_indexed', `Hub '${this.#hub}' does not index the attribute '${attribute}'.`, { attribute });
    });
    const [only, ...more] = nonEmpty(selectors, 'where');
    return only && more.length === 0 ? only : { allOf: selectors };
  }
}

const KINDS = ['all', 'group', 'user', 'connection', 'where', 'allOf', 'anyOf'] as const;

/** @throws HublineError `empty_target` */
export function nonEmpty(selectors: readonly Selector[], what: string): readonly Selector[] {
  if (selectors.length === 0) throw new HublineError('empty_target', `'${what}' is empty: use 'all' to address every connection.`, {});
  return selectors;
}

function list(value: unknown, option: string): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw invalidOption(option, 'must be an array');
}
