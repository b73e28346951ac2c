import type {
  Backplane,
  Bus,
  BusSubscription,
  ConnectionRecord,
  Directory,
  Flush,
  Link,
  LinkObserver,
  Member,
  NodeInfo,
  ProcessId,
  Topic,
} from '@hubline/server/backplane';
import { LocalDouble } from './local-double.ts';

/** The events of a node's observer and the messages that it received, in order. */
export type Event =
  | { readonly name: 'down' | 'up' | 'gap' | 'stale' }
  | { readonly name: 'joined'; readonly process: ProcessId }
  | { readonly name: 'lost'; readonly process: ProcessId; readonly reason: 'goodbye' | 'lease' }
  | { readonly name: 'report'; readonly stage: string }
  | { readonly name: 'received'; readonly channel: string; readonly text: string; readonly process: ProcessId };

/** A node of the cluster under test: a link with its local entries and the events of its observer. */
export class TestNode {
  readonly self: NodeInfo;
  readonly local = new LocalDouble();
  readonly events: Event[] = [];
  /** Whether a query agreed at the moment at which a process was announced or reported as lost. */
  readonly agreements: Promise<boolean>[] = [];
  readonly link: Link;

  constructor(backplane: Backplane, self: NodeInfo) {
    this.self = self;
    this.link = backplane.open(self, this.local, this.#observer());
  }

  get process(): ProcessId {
    return this.self.process;
  }
  get bus(): Bus {
    return this.link.bus;
  }
  get directory(): Directory {
    return this.link.directory;
  }

  publish(channel: string, text: string): Promise<void> {
    return this.bus.publish(channel, new TextEncoder().encode(text));
  }

  subscribe(channel: string): BusSubscription {
    return this.bus.subscribe(channel, (payload, process) => {
      this.events.push({ name: 'received', channel, text: new TextDecoder().decode(payload), process });
    });
  }

  /** The texts that were received on a channel so far, optionally of one sender. */
  received(channel: string, from?: ProcessId): readonly string[] {
    return this.events.flatMap((event) =>
      event.name === 'received' && event.channel === channel && event.process === (from ?? event.process) ? [event.text] : [],
    );
  }

  /** The events about another node: `joined`, `lost: lease` or `lost: goodbye`. */
  eventsAbout({ process }: TestNode): readonly string[] {
    return this.events.flatMap((event) =>
      (event.name === 'joined' || event.name === 'lost') && event.process === process ?
        [event.name === 'lost' ? `lost: ${event.reason}` : event.name]
      : [],
    );
  }

  /** The number of reports of this stage. */
  reportCount(stage: string): number {
    return this.events.filter((event) => event.name === 'report' && event.stage === stage).length;
  }

  happened(name: Event['name']): boolean {
    return this.events.some((event) => event.name === name);
  }

  join(connectionId: string, ...topics: Topic[]): Promise<Flush> {
    return this.directory.changed(this.local.join(connectionId, ...topics));
  }
  leave(connectionId: string, ...topics: Topic[]): Promise<Flush> {
    return this.directory.changed(this.local.leave(connectionId, ...topics));
  }

  /** A connection of this node as an argument of queries. */
  member(connectionId: string): Member {
    return { process: this.process, connectionId };
  }
  /** The record of a connection of another node, as this node reads it. */
  async recordOf(node: TestNode, connectionId: string): Promise<ConnectionRecord | undefined> {
    const { value } = await this.directory.records([node.member(connectionId)]);
    const record = value.get(connectionId);
    return record && { ...record, groups: record.groups.toSorted() };
  }

  /** The sorted ids of the members of a topic, as this node reads them. */
  async membersOf(topic: Topic): Promise<readonly string[]> {
    const { value } = await this.directory.members(topic, { limit: 1000 });
    return value.map(({ connectionId }) => connectionId).sort();
  }

  async #isShown(process: ProcessId): Promise<boolean> {
    return (await this.directory.nodes()).value.some((node) => node.process === process);
  }

  #observer(): LinkObserver {
    const { events } = this;
    return {
      down: () => events.push({ name: 'down' }),
      up: () => events.push({ name: 'up' }),
      gap: () => events.push({ name: 'gap' }),
      stale: () => events.push({ name: 'stale' }),
      joined: ({ process }) => {
        events.push({ name: 'joined', process });
        this.agreements.push(this.#isShown(process));
      },
      lost: ({ process }, reason) => {
        events.push({ name: 'lost', process, reason });
        this.agreements.push(this.#isShown(process).then((isShown) => !isShown));
      },
      report: (stage) => events.push({ name: 'report', stage }),
    };
  }
}
