import { HublineError, type SomeAttributes } from '@hubline/protocol';
import { allTopic, attributeTopic, groupTopic, userTopic } from '../backplane/index.ts';
import type { Selector } from '../membership/index.ts';
import { attributeValue } from './members.ts';
import type { Filter } from './types.ts';

/** Turns a hub's filters into selectors. */
export class Filters<A> {
  readonly #hub: string;
  readonly #isIndexed: (attribute: string) => boolean;

  constructor(hub: string, isIndexed: (attribute: string) => boolean) {
    this.#hub = hub;
    this.#isIndexed = isIndexed;
  }

  /** @throws HublineError `attribute_not_indexed`, `empty_target`, or `invalid_option` where it is no filter, or no value of an attribute */
  selector(filter: Filter<A>): Selector {
    const selector = this.#plain(filter);
    return filter.except && filter.except.length > 0 ? { ...selector, except: filter.except } : selector;
  }

  #plain(filter: Filter<A>): Selector {
    const kinds = Object.keys(filter).filter((key) => key !== 'except');
    if (kinds.length !== 1) refuse(filter); // one of several would name more than was meant
    if ('all' in filter) return { topic: allTopic(this.#hub) };
    if ('group' in filter) return { topic: groupTopic(this.#hub, named(filter.group, 'group')) };
    if ('user' in filter) return { topic: userTopic(this.#hub, named(filter.user, 'user')) };
    if ('connection' in filter) return { connection: named(filter.connection, 'connection') };
    if ('where' in filter) return this.#where(filter.where);
    if ('allOf' in filter)
      return {
        allOf: nonEmpty(
          filter.allOf.map((part) => this.selector(part)),
          'allOf',
        ),
      };
    if ('anyOf' in filter)
      return {
        anyOf: nonEmpty(
          filter.anyOf.map((part) => this.selector(part)),
          'anyOf',
        ),
      };
    return refuse(filter);
  }

  /** A value that is undefined is refused too: it comes by mistake, and to leave it out would name more than was meant. */
  #where(attributes: SomeAttributes<A>): Selector {
    const selectors = Object.entries(attributes).map(([attribute, value]): Selector => {
      if (this.#isIndexed(attribute)) return { topic: attributeTopic(this.#hub, attribute, attributeValue(attribute, value)) };
      // Answered by asking everybody, it would be a hidden broadcast.
      throw new HublineError('attribute_not_indexed', `Hub '${this.#hub}' does not index the attribute '${attribute}'.`, { attribute });
    });
    const [only, ...more] = nonEmpty(selectors, 'where');
    return only && more.length === 0 ? only : { allOf: selectors };
  }
}

function refuse(filter: object): never {
  throw new HublineError('invalid_option', `This is no filter: ${JSON.stringify(filter)}`, { option: 'filter' });
}

/** What is undefined would name somebody called so. */
function named(name: unknown, option: string): string {
  if (typeof name === 'string') return name;
  throw new HublineError('invalid_option', `The name of a ${option} is a string, and not ${String(name)}.`, { option });
}

/** @throws HublineError `empty_target` */
export function nonEmpty(selectors: readonly Selector[], what: string): readonly Selector[] {
  if (selectors.length === 0) throw new HublineError('empty_target', `'${what}' names nothing: say 'all' where everybody is meant.`, {});
  return selectors;
}
