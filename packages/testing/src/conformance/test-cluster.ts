import type { Backplane, ProcessId } from '@hubline/server/backplane';
import { it } from 'vitest';
import { until } from '../until.ts';
import type { BackplaneFixture, Entry, FaultName } from './fixture.ts';
import { TestNode } from './test-node.ts';

/** The nodes of one test on one backplane. Disposing of it closes their links. */
export class TestCluster implements AsyncDisposable {
  readonly backplane: Backplane;
  readonly #inflict: Inflict;
  readonly #timeoutMs: number;
  readonly #nodes: TestNode[] = [];

  constructor({ backplane, inflict, timeoutMs }: TestClusterOptions) {
    this.backplane = backplane;
    this.#inflict = inflict;
    this.#timeoutMs = timeoutMs;
  }

  /** Opens the link of a new node. */
  open(nodeId: string, accepts = true): TestNode {
    const node = new TestNode(this.backplane, { nodeId, process: crypto.randomUUID(), app: 'test', accepts, startedAt: Date.now() });
    this.#nodes.push(node);
    return node;
  }

  /** Starts a node. Resolves when it is registered. */
  async node(nodeId: string): Promise<TestNode> {
    const node = this.open(nodeId);
    await node.link.ready();
    return node;
  }

  /** Starts two nodes. Resolves when they know each other. */
  async pair(): Promise<readonly [ann: TestNode, bob: TestNode]> {
    const [ann, bob] = await Promise.all([this.node('ann'), this.node('bob')]);
    await this.until(() => ann.eventsAbout(bob).length > 0 && bob.eventsAbout(ann).length > 0);
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

interface TestClusterOptions {
  readonly backplane: Backplane;
  readonly inflict: Inflict;
  readonly timeoutMs: number;
}

type Inflict = (fault: FaultName, process: ProcessId, entry: Entry) => void | Promise<void>;

type Body = (cluster: TestCluster) => Promise<void>;

export interface Tests {
  (name: string, body: Body): void;
  /** Defines a test that needs faults. If the fixture lacks one, the test is skipped with the reason. */
  with(faults: readonly FaultName[], name: string, body: Body): void;
  /** Defines a test with many entries and a long time limit. */
  long(name: string, body: Body): void;
}

const LONG_MS = 180_000;

/** Returns functions that define tests, each with a cluster of its own. */
export function testsOf<B extends Backplane>({ create, dispose, faults, timeoutMs = 5000 }: BackplaneFixture<B>): Tests {
  async function run(body: Body): Promise<void> {
    const backplane = await create();
    try {
      await using cluster = new TestCluster({
        backplane,
        timeoutMs,
        inflict(name, process, entry) {
          const fault = faults?.[name];
          if (typeof fault !== 'function') throw new Error(`The test does not declare the fault ${name}.`);
          return fault(backplane, process, entry);
        },
      });
      await body(cluster);
    } finally {
      await dispose?.(backplane);
    }
  }

  /** A test has several waits. */
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
