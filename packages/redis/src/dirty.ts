import type { Change, Topic } from '@hubline/server/backplane';
import type { Dirt } from './entries.ts';
import type { Unwritten } from './verifier.ts';

/** The changes of one flush. */
export class Dirty implements Unwritten {
  /** A connection may be in it more than once. */
  readonly topics = new Map<Topic, string[]>();
  readonly connections = new Set<string>();
  readonly watches = new Set<Topic>();
  /** Every topic whose watchers are concerned. */
  readonly touched = new Set<Topic>();

  add({ topics, connections, touched = [] }: Change): void {
    for (const topic of topics) {
      this.touched.add(topic);
      const ids = this.topics.get(topic);
      if (!ids) this.topics.set(topic, [...connections]);
      else for (const id of connections) ids.push(id);
    }
    for (const topic of touched) this.touched.add(topic);
    for (const id of connections) this.connections.add(id);
  }

  asDirt(isReached: (topic: Topic) => boolean): Dirt {
    const topics = this.topics;
    return {
      topics: (function* () {
        for (const entry of topics) if (isReached(entry[0])) yield entry;
      })(),
      connections: this.connections,
    };
  }
}
