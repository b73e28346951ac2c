import type { ViolationKind } from '@hubline/testing/history';
import type { Cell } from './axes.ts';

/** A change of one place of the server that breaks a promise, and the cell that must find it. */
export interface Mutation {
  readonly name: string;
  /** A source file, from the folder of the repository. Its built file has the same text in this place. */
  readonly file: string;
  /** The only occurrence of this text is replaced. */
  readonly find: string;
  readonly replace: string;
  readonly cell: Cell;
  /** The violations that the checker may report first. */
  readonly caughtAs: readonly ViolationKind[];
}

const CELL = { nodes: '3', balancer: 'none', transport: 'WebSockets', fault: 'none' } as const;

export const MUTATIONS: readonly Mutation[] = [
  {
    name: 'drop the messages that waited for Redis',
    file: 'packages/redis/src/publisher.ts',
    find: 'for (const publication of this.#takeWaiting()) {',
    replace: `$&
      if (performance.now() - publication.since > 250 && !this.#isDown(publication.channel)) {
        publication.resolve();
        continue;
      }`,
    cell: { ...CELL, scenario: 'chat', fault: 'redis-restarted' },
    caughtAs: ['lost'],
  },
  {
    name: 'forget a leave',
    file: 'packages/server/src/membership/local-membership.ts',
    find: 'await this.#move(member, [], [topic]);',
    replace: 'await this.settled(topic);',
    cell: { ...CELL, scenario: 'presence' },
    caughtAs: ['presence_wrong', 'presence_not_converged'],
  },
  {
    name: 'answer invokeAll twice',
    file: 'packages/server/src/invocation/cluster-invocation.ts',
    find: 'this.#outcomes.push(outcome);',
    replace: 'this.#outcomes.push(outcome, outcome);',
    cell: { ...CELL, scenario: 'invoke-all' },
    caughtAs: ['outcome_doubled'],
  },
  {
    name: 'do not subscribe again after an outage',
    file: 'packages/redis/src/channel-subscriptions.ts',
    find: 'for (const slice of slices(channels))',
    replace: 'for (const slice of (globalThis.subscriptions = (globalThis.subscriptions ?? 0) + 1) > 1 ? [] : slices(channels))',
    cell: { ...CELL, scenario: 'chat', fault: 'redis-restarted' },
    caughtAs: ['lost', 'gap_without_cause'],
  },
  {
    name: 'reorder a flush',
    file: 'packages/redis/src/publisher.ts',
    find: 'store.publish(publications.map(',
    replace: 'store.publish([...publications].reverse().map(',
    cell: { ...CELL, scenario: 'chat' },
    caughtAs: ['reordered'],
  },
  {
    name: 'deliver to connections that are no members',
    file: 'packages/server/src/membership/broadcaster.ts',
    find: 'const members = select(selector, this.#options.membership.of(hub));',
    replace: `const { membership } = this.#options;
    const members = new Map([...membership.connections()].map((id) => [id, membership.member(id)]));`,
    cell: { ...CELL, scenario: 'chat' },
    caughtAs: ['wrong_receiver'],
  },
  {
    name: 'let a dead node linger',
    file: 'packages/redis/src/values.ts',
    find: `return 'ended';`,
    replace: `return 'alive';`,
    cell: { ...CELL, scenario: 'presence', fault: 'node-killed' },
    caughtAs: ['presence_not_converged'],
  },
  {
    name: 'lose an item of a stream',
    file: 'packages/server/src/connection/outbox.ts',
    find: 'this.#batch = this.#batch.append(message);',
    replace: `if (!(String(message).includes('"type":2') && String(message).includes('/7"'))) $&`,
    cell: { ...CELL, scenario: 'streams' },
    caughtAs: ['lost'],
  },
];

/** @throws RangeError */
export function mutationOf(name: string): Mutation {
  const mutation = MUTATIONS.find((each) => each.name === name);
  if (!mutation) throw new RangeError(`There is no mutation "${name}".`);
  return mutation;
}
