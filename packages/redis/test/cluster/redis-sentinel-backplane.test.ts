import { redisBackplane } from '@hubline/redis';
import { until } from '@hubline/testing';
import { startSentinel, type RedisSentinel } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { TestNode } from '../../../testing/src/conformance/world.ts';

/** Two nodes behind one Sentinel, of which one speaks and the other one hears. */
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
    await until(() => this.ann.toldOf(this.bob).length > 0 && this.bob.toldOf(this.ann).length > 0);
  }

  say(text: string): Promise<void> {
    return this.ann.bus.publish('t', new TextEncoder().encode(text), { mayWait: true });
  }

  async expectAsBefore(texts: readonly string[]): Promise<void> {
    await until(() => [this.ann, this.bob].every((node) => node.happened('up') && node.link.state === 'up'), { timeoutMs: 20_000 });
    await until(() => this.bob.heard('t').length >= texts.length, { timeoutMs: 10_000 });
    expect(this.bob.heard('t')).toEqual(texts);
    await until(async () => (await this.ann.membersOf('t')).length === 1, { timeoutMs: 10_000 });
    expect(await this.ann.membersOf('t')).toEqual(['b1']);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([this.ann, this.bob].map(({ link }) => link.close()));
  }
}

it('a master that is killed is an outage until Sentinel has another one: what waited arrives, and everybody is registered', async ({
  onTestFailed,
}) => {
  await using all = await startSentinel({ onTestFailed });
  await using pair = new Pair(all);
  await pair.start();
  await pair.say('before');
  await all.nodes[0]!.stop();
  await until(() => pair.ann.happened('down'));
  const waiting = [pair.say('during 1'), pair.say('during 2')];
  await pair.expectAsBefore(['before', 'during 1', 'during 2']);
  await Promise.all(waiting);
}, 60_000);

it('a master that is a replica now is left for the one that replaced it', async ({ onTestFailed }) => {
  await using all = await startSentinel({ onTestFailed });
  await using pair = new Pair(all);
  await pair.start();
  await pair.say('before');
  const replica = await all.failover();
  await pair.expectAsBefore(['before']);
  await pair.say('after');
  await pair.expectAsBefore(['before', 'after']);
  expect(await replica.keys('hubline:{nodes}')).toHaveLength(1);
}, 60_000);
