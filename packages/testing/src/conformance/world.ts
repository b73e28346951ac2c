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
import { it } from 'vitest';
import { until } from '../until.ts';
import type { BackplaneFixture, Entry, FaultName } from './fixture.ts';
import { LocalDouble } from './local-double.ts';

/** The events of a node's observer and the messages that it received, in order. */
export type Event =
  | { readonly name: 'down' | 'up' | 'gap' | 'stale' }
  | { readonly name: 'joined'; readonly process: ProcessId }
  | { readonly name: 'lost'; readonly process: ProcessId; readonly reason: 'goodbye' | 'lease' }
  | { readonly name: 'report'; readonly stage: string }
  | { readonly name: 'heard'; readonly channel: string; readonly text: string; readonly process: ProcessId };

/** A process of the cluster under test: a link, and what a server would have beside it. */
export class TestNode {
  readonly self: NodeInfo;
  readonly local = new LocalDouble();
  readonly events: Event[] = [];
  /** For each process that was announced or lost: whether a query that was sent at that moment agreed. */
  readonly agreed: Promise<boolean>[] = [];
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
      this.events.push({ name: 'heard', channel, text: new TextDecoder().decode(payload), process });
    });
  }

  /** The texts that arrived on a channel so far. */
  heard(channel: string, from?: ProcessId): readonly string[] {
    return this.events.flatMap((event) =>
      event.name === 'heard' && event.channel === channel && event.process === (from ?? event.process) ? [event.text] : [],
    );
  }

  /** The names of the events that are about one other process. */
  toldOf({ process }: TestNode): readonly string[] {
    return this.events.flatMap((event) =>
      (event.name === 'joined' || event.name === 'lost') && event.process === process ?
        [event.name === 'lost' ? `lost: ${event.reason}` : event.name]
      : [],
    );
  }

  /** How often something of this stage was reported. */
  reported(stage: string): number {
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

  /** A connection of this node, as its record is asked for. */
  member(connectionId: string): Member {
    return { process: this.process, connectionId };
  }
  /** What this node knows of a connection of another one. */
  async recordOf(node: TestNode, connectionId: string): Promise<ConnectionRecord | undefined> {
    const { value } = await this.directory.records([node.member(connectionId)]);
    const record = value.get(connectionId);
    return record && { ...record, groups: record.groups.toSorted() };
  }

  /** The ids of a topic's members, as this node sees them. */
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
        this.agreed.push(this.#isShown(process));
      },
      lost: ({ process }, reason) => {
        events.push({ name: 'lost', process, reason });
        this.agreed.push(this.#isShown(process).then((isShown) => !isShown));
      },
      report: (stage) => events.push({ name: 'report', stage }),
    };
  }
}

/** One cluster, for one test. */
export class World implements AsyncDisposable {
  readonly backplane: Backplane;
  readonly #inflict: Inflict;
  readonly #timeoutMs: number;
  readonly #nodes: TestNode[] = [];

  constructor({ backplane, inflict, timeoutMs }: WorldParts) {
    this.backplane = backplane;
    this.#inflict = inflict;
    this.#timeoutMs = timeoutMs;
  }

  /** A node that has just opened its link. */
  open(nodeId: string, accepts = true): TestNode {
    const node = new TestNode(this.backplane, { nodeId, process: crypto.randomUUID(), app: 'test', accepts, startedAt: Date.now() });
    this.#nodes.push(node);
    return node;
  }

  /** A node that is registered. */
  async node(nodeId: string): Promise<TestNode> {
    const node = this.open(nodeId);
    await node.link.ready();
    return node;
  }

  /** Two registered nodes that know each other. */
  async pair(): Promise<readonly [ann: TestNode, bob: TestNode]> {
    const [ann, bob] = await Promise.all([this.node('ann'), this.node('bob')]);
    await this.until(() => ann.toldOf(bob).length > 0 && bob.toldOf(ann).length > 0);
    return [ann, bob];
  }

  async do(fault: FaultName, { process }: Pick<TestNode, 'process'>, entry: Entry = 'registry'): Promise<void> {
    await this.#inflict(fault, process, entry);
  }

  until<T>(condition: () => T | Promise<T>): Promise<NonNullable<T>> {
    return until(condition, { timeoutMs: this.#timeoutMs });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#nodes.map((node) => node.link.close()));
  }
}

interface WorldParts {
  readonly backplane: Backplane;
  readonly inflict: Inflict;
  readonly timeoutMs: number;
}

type Inflict = (fault: FaultName, process: ProcessId, entry: Entry) => void | Promise<void>;

type Body = (world: World) => Promise<void>;

export interface Tests {
  (name: string, body: Body): void;
  /** A test that needs faults. Where the fixture lacks one, it is shown as skipped, with the reason. */
  with(faults: readonly FaultName[], name: string, body: Body): void;
  /** A test of very much, which takes its time. */
  long(name: string, body: Body): void;
}

const LONG_MS = 180_000;

/** Tests that each get a world of their own. */
export function testsOf<B extends Backplane>({ create, dispose, faults, timeoutMs = 5000 }: BackplaneFixture<B>): Tests {
  async function run(body: Body): Promise<void> {
    const backplane = await create();
    try {
      await using world = new World({
        backplane,
        timeoutMs,
        inflict(name, process, entry) {
          const fault = faults?.[name];
          if (typeof fault !== 'function') throw new Error(`The test did not say that it needs ${name}.`);
          return fault(backplane, process, entry);
        },
      });
      await body(world);
    } finally {
      await dispose?.(backplane);
    }
  }

  /** Several waits, each of which may take its time. */
  const timeout = 4 * timeoutMs;

  function withFaults(needed: readonly FaultName[], name: string, body: Body): void {
    if (!faults && needed.length > 0) return;
    it(name, { timeout }, async ({ skip }) => {
      for (const needs of needed) {
        const fault = faults?.[needs];
        if (typeof fault === 'object') skip(`no ${needs}: ${fault.lacking}`);
      }
      await run(body);
    });
  }
  return Object.assign((name: string, body: Body) => withFaults([], name, body), {
    with: withFaults,
    long: (name: string, body: Body) => it(name, { timeout: LONG_MS }, () => run(body)),
  });
}
