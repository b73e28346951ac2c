import { redisBackplane } from '@hubline/redis';
import { until } from '@hubline/testing';
import { startSentinel, type RedisSentinel } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { TestNode } from '../../../testing/src/conformance/test-node.ts';

/** Two nodes that use one Sentinel: ann publishes, bob receives. */
class Pair implements AsyncDisposable {
  readonly ann: TestNode;
  readonly bob: TestNode;

  constructor({ masterName, sentinel }: RedisSentinel) {
    const sentinels = { name: masterName, nodes: [{ host: '127.0.0.1', port: sentinel.port }] };
    const options = { sentinels, heartbeatIntervalMs: 200, nodeTimeoutMs: 3000, redisTimeoutMs: 1000 };
    const node = (nodeId: string): TestNode =>
      new TestNode(redisBackplane(options), { nodeId, process: nodeId, app: 'test', accepts: true, startedAt: 1 });
    this.ann = node('ann');
    this.bob = node('bob');
  }

  async start(): Promise<void> {
    await Promise.all([this.ann, this.bob].map(({ link }) => link.ready()));
    await this.bob.subscribe('t').ready;
    await this.bob.join('b1', 't');
    await until(() => this.ann.eventsAbout(this.bob).length > 0 && this.bob.eventsAbout(this.ann).length > 0);
  }

  publish(text: string): Promise<void> {
    return this.ann.bus.publish('t', new TextEncoder().encode(text), { mayWait: true });
  }

  async expectRecovered(texts: readonly string[]): Promise<void> {
    await until(() => [this.ann, this.bob].every((node) => node.happened('up') && node.link.state === 'up'), { timeoutMs: 20_000 });
    await until(() => this.bob.received('t').length >= texts.length, { timeoutMs: 10_000 });
    expect(this.bob.received('t')).toEqual(texts);
    await until(async () => (await this.ann.membersOf('t')).length === 1, { timeoutMs: 10_000 });
    expect(await this.ann.membersOf('t')).toEqual(['b1']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.ann, this.bob].map(({ link }) => link.close()));
  }
}

it('waiting messages arrive and all entries are registered again when Sentinel has replaced a killed master', async ({ onTestFailed }) => {
  await using all = await startSentinel({ onTestFailed });
  await using pair = new Pair(all);
  await pair.start();
  await pair.publish('before');
  await all.nodes[0]!.stop();
  await until(() => pair.ann.happened('down'));
  const waiting = [pair.publish('during 1'), pair.publish('during 2')];
  await pair.expectRecovered(['before', 'during 1', 'during 2']);
  await Promise.all(waiting);
}, 60_000);

it('nodes leave a master that became a replica and connect to its replacement', async ({ onTestFailed }) => {
  await using all = await startSentinel({ onTestFailed });
  await using pair = new Pair(all);
  await pair.start();
  await pair.publish('before');
  const replica = await all.failover();
  await pair.expectRecovered(['before']);
  await pair.publish('after');
  await pair.expectRecovered(['before', 'after']);
  expect(await replica.keys('hubline:{nodes}')).toHaveLength(1);
}, 60_000);
