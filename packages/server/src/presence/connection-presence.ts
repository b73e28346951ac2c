import type { ClusterNodes } from './cluster-nodes.ts';
import { mergeUpdates, snapshotOf, type PresenceSnapshot, type PresenceUpdate } from './presence-events.ts';
import { infoOf } from './presence-queries.ts';
import { UpdateQueue } from './update-queue.ts';
import type { Watch, WatchListener, WatchUpdate } from './watch.ts';

/** Turns the updates of a watch into events of connections. */
export class ConnectionPresence<A> implements WatchListener {
  readonly events: UpdateQueue<PresenceUpdate<A>, PresenceSnapshot<A>>;
  readonly #nodes: ClusterNodes;

  constructor(watch: Pick<Watch, 'snapshot'>, nodes: ClusterNodes) {
    this.#nodes = nodes;
    this.events = new UpdateQueue({
      merge: mergeUpdates,
      snapshot: (isFirst) => {
        const items = watch.snapshot.records.map((record) => infoOf<A>(record, nodes));
        return snapshotOf(items, watch.snapshot, isFirst);
      },
    });
  }

  begin(): void {
    this.events.resynchronise();
  }

  update({ record, ...update }: WatchUpdate): void {
    this.events.push(record.connectionId, { ...update, connection: infoOf<A>(record, this.#nodes) });
  }
}
