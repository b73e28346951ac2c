import { redisBackplane, type RedisBackplaneOptions } from '@hubline/redis';
import { until } from '@hubline/testing';
import { startRedisCluster, type RedisCluster, type RedisClusterOptions } from '@hubline/testing/cluster';
import { expect } from 'vitest';
import { TestNode } from '../../../testing/src/conformance/world.ts';

interface Talker {
  /** Default its name. */
  readonly process?: string;
  readonly options?: RedisBackplaneOptions;
}
interface Talkers {
  readonly ann?: Talker;
  readonly bob?: Talker;
}

const PATIENT = { timeoutMs: 30_000 };

/** Two nodes on a Redis Cluster: one says a number every few milliseconds on each of some topics, the other one hears them. */
export class Talk implements AsyncDisposable {
  readonly servers: RedisCluster;
  readonly ann: TestNode;
  readonly bob: TestNode;
  readonly topics = Array.from({ length: 12 }, (_, i) => `chat:group:${i}`);
  #said = 0;
  #talking: NodeJS.Timeout | undefined;
  readonly #confirmed: Promise<void>[] = [];

  private constructor(servers: RedisCluster, { ann = {}, bob = {} }: Talkers) {
    this.servers = servers;
    const times = { heartbeatIntervalMs: 200, nodeTimeoutMs: 3000, redisTimeoutMs: 1000, onUnavailable: { bufferMs: 120_000 } };
    const node = (nodeId: string, { process = nodeId, options }: Talker): TestNode =>
      new TestNode(redisBackplane(servers.url, { ...times, ...options }), { nodeId, process, app: 'test', accepts: true, startedAt: 1 });
    this.ann = node('ann', ann);
    this.bob = node('bob', bob);
  }

  static async on(options: RedisClusterOptions = {}): Promise<Talk> {
    return Talk.between({}, await startRedisCluster({ masters: 3, replicas: 3, ...options }));
  }

  /** The cluster is the talk's from here on. */
  static async between(talkers: Talkers, servers: RedisCluster): Promise<Talk> {
    const talk = new Talk(servers, talkers);
    const { ann, bob, topics } = talk;
    await Promise.all([ann, bob].map((node) => node.link.ready()));
    await Promise.all(topics.map((topic) => bob.subscribe(topic).ready));
    await Promise.all(topics.map((topic, i) => bob.join(`b${i}`, topic)));
    await until(() => ann.toldOf(bob).length > 0 && bob.toldOf(ann).length > 0, PATIENT);
    talk.#talking = setInterval(() => talk.#say(), 5);
    return talk;
  }

  /** How many numbers were said on each topic. */
  get said(): number {
    return this.#said;
  }

  /** Says a little more, then stops. Resolves when all of it is confirmed, and everybody is up. */
  async end(): Promise<void> {
    const enough = this.#said + 50;
    await until(() => this.#said >= enough, PATIENT);
    clearInterval(this.#talking);
    await until(() => [this.ann, this.bob].every(({ link }) => link.state === 'up'), PATIENT);
    await Promise.all(this.#confirmed);
  }

  /** Every number that was said, once and in order, on every topic. */
  async expectAllHeard(): Promise<void> {
    const all = Array.from({ length: this.#said }, (_, i) => String(i));
    for (const topic of this.topics) {
      await until(() => this.bob.heard(topic).at(-1) === all.at(-1), PATIENT);
      expect(this.bob.heard(topic)).toEqual(all);
    }
  }

  async expectAllRegistered(): Promise<void> {
    for (const [i, topic] of this.topics.entries()) {
      await until(async () => (await this.ann.membersOf(topic)).includes(`b${i}`), PATIENT);
      expect((await this.ann.directory.counts([topic])).value.get(topic)).toEqual(new Map([[this.bob.process, 1]]));
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
      const confirmed = this.ann.bus.publish(topic, new TextEncoder().encode(text), { mayWait: true });
      confirmed.catch(() => undefined); // looked at in the end
      this.#confirmed.push(confirmed);
    }
  }
}
