import { redisBackplane } from '@hubline/redis';
import { random, until } from '@hubline/testing';
import { startProxy, startRedisCluster, type RedisCluster, type RedisServer, type TcpProxy } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { pause } from './fixtures/pause.ts';
import { TestNode } from '../../../testing/src/conformance/test-node.ts';

const seed = Number(process.env.HUBLINE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const forMs = Number(process.env.HUBLINE_RANDOM_MS ?? 20_000);

const PREFIX = 'chance';
const TOPICS = Array.from({ length: 9 }, (_, i) => `chat:group:${i}`);
const LONG_WAIT = { timeoutMs: 30_000, intervalMs: 20 };
const TIMES = { heartbeatIntervalMs: 200, nodeTimeoutMs: 2000, redisTimeoutMs: 700 };

/** A node that publishes a number every few milliseconds on every topic, with proxies to Redis that can be cut. */
class NumberSender implements AsyncDisposable {
  readonly node: TestNode;
  readonly proxies: ReadonlyMap<RedisServer, TcpProxy>;
  readonly #timer: NodeJS.Timeout;
  readonly #confirmed: Promise<void>[] = [];
  sentCount = 0;

  private constructor(servers: RedisCluster, nodeId: string, proxies: ReadonlyMap<RedisServer, TcpProxy>) {
    this.proxies = proxies;
    const natMap = Object.fromEntries(
      [...proxies].map(([{ port }, proxy]) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: proxy.port }]),
    );
    const backplane = redisBackplane(servers.url, { ...TIMES, natMap, prefix: PREFIX, onUnavailable: { bufferMs: 60_000 } });
    this.node = new TestNode(backplane, { nodeId, process: nodeId, app: 'test', accepts: true, startedAt: 1 });
    this.#timer = setInterval(() => this.#publishNext(), 20);
  }

  static async start(servers: RedisCluster, nodeId: string): Promise<NumberSender> {
    const proxies = new Map<RedisServer, TcpProxy>();
    for (const server of servers.nodes) proxies.set(server, await startProxy(server.url));
    return new NumberSender(servers, nodeId, proxies);
  }

  /** Resolves when every number that was published so far is confirmed. */
  async allConfirmed(): Promise<void> {
    await Promise.all(this.#confirmed.splice(0));
  }

  #publishNext(): void {
    const payload = new TextEncoder().encode(String(this.sentCount++));
    for (const topic of TOPICS) {
      const confirmed = this.node.bus.publish(topic, payload, { mayWait: true });
      confirmed.catch(() => undefined); // allConfirmed rejects with it
      this.#confirmed.push(confirmed);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await this.node.link.close();
    await Promise.all([...this.proxies.values()].map((proxy) => proxy[Symbol.asyncDispose]()));
  }
}

it(
  `members and messages are correct after random faults of a Redis Cluster (seed ${seed})`,
  async ({ onTestFailed }) => {
    const chance = random(seed);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(chance() * items.length)]!;
    await using servers = await startRedisCluster({ onTestFailed, args: ['--cluster-replica-validity-factor', '0'] });
    await using ann = await NumberSender.start(servers, 'ann');
    await using bob = await NumberSender.start(servers, 'bob');
    await using cat = await NumberSender.start(servers, 'cat');
    const senders = [ann, bob, cat];
    await Promise.all(senders.map(({ node }) => node.link.ready()));
    await Promise.all(senders.flatMap(({ node }) => TOPICS.map((topic) => node.subscribe(topic).ready)));
    const members = new Map(TOPICS.map((topic) => [topic, new Set<string>()]));
    const log: string[] = [];
    let step = 'start';
    onTestFailed(() => console.log(`Seed ${seed}: ${log.join(', ')}; ${step}.`)); // also after a timeout

    const faults: Readonly<Record<string, () => Promise<void>>> = {
      async kill() {
        const master = pick(await servers.masters());
        await master.stop();
        await pause(chance() * 4000);
        await master.start();
      },
      async failover() {
        await servers.failover(pick(await servers.masters()));
      },
      async pause() {
        const master = pick(await servers.masters());
        master.pause();
        await pause(chance() * 3000);
        master.resume();
      },
      async cut() {
        const cut = senders.map(({ proxies }) => pick([...proxies.values()])).filter(() => chance() < 0.6);
        for (const proxy of cut) proxy.cut();
        await pause(chance() * 3000);
        await Promise.all(cut.map((proxy) => proxy.heal()));
      },
      /** Deletes a key, but none of an old incarnation: no node writes those again. */
      async lose() {
        const masters = await servers.masters();
        const all = await Promise.all(masters.map(async (master) => (await master.keys(`${PREFIX}:*`)).map((key) => ({ master, key }))));
        const keys = all.flat().sort((a, b) => (a.key < b.key ? -1 : 1));
        const live = keys.flatMap(({ key }) => /:\{nodes\}:lease:(.+)$/.exec(key)?.[1] ?? []);
        const incarnationIn = (key: string): string | undefined => /(?:ann|bob|cat)\.\d+/.exec(key)?.[0];
        const { master, key } = pick(keys.filter((each) => [undefined, ...live].includes(incarnationIn(each.key))));
        log.push(key);
        await master.call('DEL', key);
      },
      async move() {
        const slot = Number(
          await servers.nodes.find(({ isRunning }) => isRunning)!.call('CLUSTER', 'KEYSLOT', `${PREFIX}:{${pick(TOPICS)}}`),
        );
        const from = await servers.masterOf(slot);
        await servers.moveSlot(slot, pick((await servers.masters()).filter((master) => master !== from)));
      },
    };
    const changes = async (): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const { node } = pick(senders);
        const id = `${node.process}-${Math.floor(chance() * 5)}`;
        const topic = pick(TOPICS);
        const of = members.get(topic)!;
        const done = of.has(id) ? node.leave(id, topic) : node.join(id, topic);
        if (!of.delete(id)) of.add(id);
        await (chance() < 0.5 ? done : pause(chance() * 50));
      }
    };

    const round = async (): Promise<void> => {
      const [name, fault] = pick(Object.entries(faults));
      log.push(name);
      step = 'fault and changes';
      await Promise.all([fault(), changes()]);
      step = 'Redis Cluster ready';
      await servers.ready();
      step = 'links up';
      await until(() => senders.every(({ node }) => node.link.state === 'up'), LONG_WAIT);
      step = 'members';
      for (const [topic, ids] of members) {
        for (const { node } of senders) {
          await until(async () => {
            const { value, missing } = await node.directory.members(topic, { limit: 1000 });
            expect([value.map(({ connectionId }) => connectionId).sort(), missing]).toEqual([[...ids].sort(), []]);
            return true;
          }, LONG_WAIT);
        }
      }
      step = 'messages confirmed';
      await Promise.all(senders.map((sender) => sender.allConfirmed()));
      step = 'messages received';
      for (const { node: receiver } of senders) {
        for (const { node: sender, sentCount } of senders.filter(({ node }) => node !== receiver)) {
          for (const topic of TOPICS) {
            await until(() => Number(receiver.received(topic, sender.process).at(-1)) >= sentCount, LONG_WAIT);
            const received = receiver.received(topic, sender.process).map(Number);
            expect(received, 'once and in order').toEqual([...new Set(received)].sort((a, b) => a - b));
            if (received.length <= received.at(-1)! - received[0]!)
              expect(receiver.happened('gap'), 'what is missing is reported').toBe(true);
          }
        }
      }
    };

    const end = performance.now() + forMs;
    try {
      while (performance.now() < end) await round();
    } catch (cause) {
      throw new Error(`Seed ${seed}: ${log.join(', ')}. ${(cause as Error).message}`, { cause });
    }
    if (process.env.HUBLINE_RANDOM_MS) console.log(`Seed ${seed}: ${log.join(', ')}.`);
  },
  forMs + 120_000,
);
