import { redisBackplane, type RedisBackplaneOptions } from '@hubline/server/redis';
import { startRedisCluster, type RedisCluster, type RedisClusterOptions } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { TestNode } from '../../src/conformance/world.ts';
import { until } from '../../src/until.ts';

/** Two nodes on a Redis Cluster: one says a number every few milliseconds on each of some topics, the other one hears them. */
class Talk implements AsyncDisposable {
  readonly servers: RedisCluster;
  readonly ann: TestNode;
  readonly bob: TestNode;
  readonly topics = Array.from({ length: 12 }, (_, i) => `chat:group:${i}`);
  #said = 0;
  #talking: NodeJS.Timeout | undefined;
  readonly #confirmed: Promise<void>[] = [];

  private constructor(servers: RedisCluster, options: RedisBackplaneOptions) {
    this.servers = servers;
    const node = (nodeId: string): TestNode =>
      new TestNode(redisBackplane(servers.url, options), { nodeId, process: nodeId, app: 'test', accepts: true, startedAt: 1 });
    this.ann = node('ann');
    this.bob = node('bob');
  }

  static async on(options: RedisClusterOptions = {}): Promise<Talk> {
    const servers = await startRedisCluster({ masters: 3, replicas: 3, ...options });
    const talk = new Talk(servers, { heartbeatIntervalMs: 200, nodeTimeoutMs: 3000, redisTimeoutMs: 1000 });
    const { ann, bob, topics } = talk;
    await Promise.all([ann, bob].map((node) => node.link.ready()));
    await Promise.all(topics.map((topic) => bob.subscribe(topic).ready));
    await Promise.all(topics.map((topic, i) => bob.join(`b${i}`, topic)));
    await until(() => ann.toldOf(bob).length > 0 && bob.toldOf(ann).length > 0);
    talk.#talking = setInterval(() => talk.#say(), 5);
    return talk;
  }

  /** Says a little more, then stops. Resolves when all of it is confirmed, and everybody is up. */
  async end(): Promise<void> {
    const enough = this.#said + 50;
    await until(() => this.#said >= enough);
    clearInterval(this.#talking);
    await until(() => [this.ann, this.bob].every(({ link }) => link.state === 'up'), { timeoutMs: 15_000 });
    await Promise.all(this.#confirmed);
  }

  /** Every number that was said, once and in order, on every topic. */
  async expectAllHeard(): Promise<void> {
    const all = Array.from({ length: this.#said }, (_, i) => String(i));
    for (const topic of this.topics) {
      await until(() => this.bob.heard(topic).at(-1) === all.at(-1), { timeoutMs: 10_000 });
      expect(this.bob.heard(topic)).toEqual(all);
    }
  }

  async expectAllRegistered(): Promise<void> {
    for (const [i, topic] of this.topics.entries()) {
      await until(async () => (await this.ann.membersOf(topic)).includes(`b${i}`), { timeoutMs: 10_000 });
      expect((await this.ann.directory.counts([topic])).value.get(topic)).toEqual(new Map([['bob', 1]]));
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#talking);
    await Promise.all([this.ann, this.bob].map(({ link }) => link.close()));
    await this.servers[Symbol.asyncDispose]();
  }

  #say(): void {
    const text = String(this.#said++);
    for (const topic of this.topics) {
      this.#confirmed.push(this.ann.bus.publish(topic, new TextEncoder().encode(text), { mayWait: true }));
    }
  }
}

it('a slot that moves under traffic costs no member and doubles nothing; what was missed is reported', async () => {
  await using talk = await Talk.on();
  const { servers, topics, bob } = talk;
  const slot = Number(await servers.nodes[0]!.call('CLUSTER', 'KEYSLOT', `hubline:{${topics[0]}}`));
  const from = await servers.masterOf(slot);
  const to = (await servers.masters()).find((master) => master !== from)!;
  await servers.moveSlot(slot, to);
  await talk.end();
  await talk.expectAllRegistered();
  for (const topic of topics) {
    const heard = bob.heard(topic).map(Number);
    expect(heard).toEqual([...new Set(heard)].sort((a, b) => a - b));
    if (topic !== topics[0]) await until(() => bob.heard(topic).length === Number(bob.heard(topic).at(-1)) + 1);
  }
  await until(() => bob.happened('gap'));
  await bob.publish(topics[0]!, 'still there');
}, 60_000);

it('a slot that is long on its way holds up nobody: what is there already is asked for there', async () => {
  await using talk = await Talk.on();
  const { servers, ann, bob } = talk;
  const slot = Number(await servers.nodes[0]!.call('CLUSTER', 'KEYSLOT', 'hubline:{new:group:x}:counts'));
  const from = await servers.masterOf(slot);
  const to = (await servers.masters()).find((master) => master !== from)!;
  const [fromId, toId] = await Promise.all([from, to].map(async (node) => String(await node.call('CLUSTER', 'MYID'))));
  await to.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId!);
  await from.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId!);
  for (const id of ['x1', 'x2', 'x3']) await bob.join(id, 'new:group:x');
  expect(await ann.membersOf('new:group:x')).toEqual(['x1', 'x2', 'x3']);
  const incarnations = async (): Promise<unknown> =>
    (await servers.masterOf('hubline:{nodes}')).call('HKEYS', 'hubline:{nodes}').then((names) => (names as string[]).toSorted());
  expect(await incarnations()).toEqual(['ann.1', 'bob.1']);
  await talk.end();
  await talk.expectAllHeard();
}, 60_000);

it('an orderly failover doubles nothing, and every channel is heard again', async () => {
  await using talk = await Talk.on();
  await talk.servers.failover(talk.servers.nodes[0]!);
  await until(() => talk.bob.happened('gap') || talk.bob.happened('up'), { timeoutMs: 15_000 });
  const before = talk.topics.map((topic) => talk.bob.heard(topic).length);
  await talk.end();
  for (const [i, topic] of talk.topics.entries()) {
    await until(() => talk.bob.heard(topic).length > before[i]!, { timeoutMs: 10_000 });
    const heard = talk.bob.heard(topic).map(Number);
    expect(heard).toEqual([...new Set(heard)].sort((a, b) => a - b));
  }
  await talk.expectAllRegistered();
}, 60_000);

it('a master that is killed is an outage: what waited for its replica arrives, once and in order', async () => {
  await using talk = await Talk.on();
  await talk.servers.nodes[0]!.stop();
  await until(() => talk.ann.happened('down'), { timeoutMs: 10_000 });
  await until(() => talk.ann.happened('up') && talk.bob.happened('up'), { timeoutMs: 20_000 });
  await talk.end();
  await talk.expectAllHeard();
  await talk.expectAllRegistered();
}, 60_000);

it('what a master had acknowledged and took with it is registered again', async () => {
  await using talk = await Talk.on();
  const { servers, bob, ann } = talk;
  const master = servers.nodes[0]!;
  const [replica] = await servers.replicasOf(master);
  replica!.pause();
  await master.call('CLIENT', 'KILL', 'TYPE', 'replica');
  const topics = Array.from({ length: 30 }, (_, i) => `late:group:${i}`);
  await Promise.all(topics.map((topic) => bob.join('late', topic)));
  await master.stop();
  replica!.resume();
  await until(() => bob.happened('up'), { timeoutMs: 20_000 });
  for (const topic of topics) await until(async () => (await ann.membersOf(topic)).includes('late'), { timeoutMs: 10_000 });
  await talk.end();
}, 60_000);

it('a cluster without sharded pub/sub is used by classic channels', async () => {
  await using talk = await Talk.on({ replicas: 0, args: ['--rename-command', 'SPUBLISH', ''] });
  await talk.end();
  await talk.expectAllHeard();
  await talk.expectAllRegistered();
}, 60_000);
