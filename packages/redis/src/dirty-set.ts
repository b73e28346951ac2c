import type { Change, Topic } from '@hubline/server/backplane';
import type { WriteSet } from './entries.ts';
import { groupIn, lengthOfGroup } from './values.ts';
import type { Unwritten } from './verifier.ts';

/** The changes of one flush. */
export class DirtySet implements Unwritten {
  /** The connections that joined or left each topic. A connection may be listed more than once. */
  readonly topics = new Map<Topic, string[]>();
  readonly connections = new Set<string>();
  readonly watches = new Set<Topic>();
  /** All topics whose watchers must be informed. */
  readonly touched = new Set<Topic>();
  /** The length of the names of groups that each connection has joined and left. */
  readonly #moved = new Map<string, number>();

  moved(connectionId: string): number {
    return this.#moved.get(connectionId) ?? 0;
  }

  add({ topics, connections, touched = [] }: Change): void {
    for (const topic of topics) {
      this.touched.add(topic);
      const ids = this.topics.get(topic);
      if (!ids) this.topics.set(topic, [...connections]);
      else for (const id of connections) ids.push(id);
    }
    for (const topic of touched) this.touched.add(topic);
    let length = 0;
    for (const topic of topics) length += lengthOfMove(topic);
    for (const id of connections) {
      this.connections.add(id);
      if (length > 0) this.#moved.set(id, this.moved(id) + length);
    }
  }

  /** Returns the parts of the state to write. `next` are changes of the next flush, which the state may include already. */
  asWriteSet(isReached: (topic: Topic) => boolean, next: () => DirtySet): WriteSet {
    const topics = this.topics;
    return {
      topics: (function* () {
        for (const entry of topics) if (isReached(entry[0])) yield entry;
      })(),
      connections: this.connections,
      moved: (id) => this.moved(id) + next().moved(id),
    };
  }
}

function lengthOfMove(topic: Topic): number {
  const group = groupIn(topic);
  return group === undefined ? 0 : lengthOfGroup(group);
}
