import { redisBackplane } from '@hubline/redis';
import { random, until } from '@hubline/testing';
import { startProxy, startRedisCluster, type RedisCluster, type RedisServer, type TcpProxy } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { TestNode } from '../../../testing/src/conformance/world.ts';

const seed = Number(process.env.HUBLINE_SEED ?? Math.floor(Math.random() * 2 ** 31));
const forMs = Number(process.env.HUBLINE_RANDOM_MS ?? 20_000);

const PREFIX = 'chance';
const TOPICS = Array.from({ length: 9 }, (_, i) => `chat:group:${i}`);
const PATIENT = { timeoutMs: 30_000, intervalMs: 20 };
const TIMES = { heartbeatIntervalMs: 200, nodeTimeoutMs: 2000, redisTimeoutMs: 700 };

/** A node that says a number every few milliseconds on every topic, with ways to Redis that can be cut. */
class Talker implements AsyncDisposable {
  readonly node: TestNode;
  readonly ways: ReadonlyMap<RedisServer, TcpProxy>;
  readonly #talking: NodeJS.Timeout;
  readonly #confirmed: Promise<void>[] = [];
  said = 0;

  private constructor(servers: RedisCluster, nodeId: string, ways: ReadonlyMap<RedisServer, TcpProxy>) {
    this.ways = ways;
    const natMap = Object.fromEntries([...ways].map(([{ port }, way]) => [`127.0.0.1:${port}`, { host: '127.0.0.1', port: way.port }]));
    const backplane = redisBackplane(servers.url, { ...TIMES, natMap, prefix: PREFIX, onUnavailable: { bufferMs: 60_000 } });
    this.node = new TestNode(backplane, { nodeId, process: nodeId, app: 'test', accepts: true, startedAt: 1 });
    this.#talking = setInterval(() => this.#talk(), 20);
  }

  static async start(servers: RedisCluster, nodeId: string): Promise<Talker> {
    const ways = new Map<RedisServer, TcpProxy>();
    for (const server of servers.nodes) ways.set(server, await startProxy(server.url));
    return new Talker(servers, nodeId, ways);
  }

  /** Every number that it has said so far. */
  async isConfirmed(): Promise<void> {
    await Promise.all(this.#confirmed.splice(0));
  }

  #talk(): void {
    const payload = new TextEncoder().encode(String(this.said++));
    for (const topic of TOPICS) {
      const confirmed = this.node.bus.publish(topic, payload, { mayWait: true });
      confirmed.catch(() => undefined); // looked at by isConfirmed
      this.#confirmed.push(confirmed);
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#talking);
    await this.node.link.close();
    await Promise.all([...this.ways.values()].map((way) => way[Symbol.asyncDispose]()));
  }
}

it(
  `whatever happens to a Redis Cluster, everything is as it should be when it is over (seed ${seed})`,
  async ({ onTestFailed }) => {
    const chance = random(seed);
    const pick = <T>(items: readonly T[]): T => items[Math.floor(chance() * items.length)]!;
    await using servers = await startRedisCluster({ onTestFailed, args: ['--cluster-replica-validity-factor', '0'] });
    await using ann = await Talker.start(servers, 'ann');
    await using bob = await Talker.start(servers, 'bob');
    await using cat = await Talker.start(servers, 'cat');
    const talkers = [ann, bob, cat];
    await Promise.all(talkers.map(({ node }) => node.link.ready()));
    await Promise.all(talkers.flatMap(({ node }) => TOPICS.map((topic) => node.subscribe(topic).ready)));
    const members = new Map(TOPICS.map((topic) => [topic, new Set<string>()]));
    const log: string[] = [];
    let step = 'start';
    onTestFailed(() => console.log(`Seed ${seed}: ${log.join(', ')}; ${step}.`)); // also where its time is over

    const lasts = async (ms: number): Promise<void> => {
      const since = performance.now();
      await until(() => performance.now() - since > ms, PATIENT);
    };
    const faults: Readonly<Record<string, () => Promise<void>>> = {
      async kill() {
        const master = pick(await servers.masters());
        await master.stop();
        await lasts(chance() * 4000);
        await master.start();
      },
      async failover() {
        await servers.failover(pick(await servers.masters()));
      },
      async pause() {
        const master = pick(await servers.masters());
        master.pause();
        await lasts(chance() * 3000);
        master.resume();
      },
      async cut() {
        const cut = talkers.map(({ ways }) => pick([...ways.values()])).filter(() => chance() < 0.6);
        for (const way of cut) way.cut();
        await lasts(chance() * 3000);
        await Promise.all(cut.map((way) => way.heal()));
      },
      /** Any key but those of incarnations that are over, which no node writes again. */
      async lose() {
        const masters = await servers.masters();
        const all = await Promise.all(masters.map(async (master) => (await master.keys(`${PREFIX}:*`)).map((key) => ({ master, key }))));
        const keys = all.flat().sort((a, b) => (a.key < b.key ? -1 : 1));
        const living = keys.flatMap(({ key }) => /:\{nodes\}:lease:(.+)$/.exec(key)?.[1] ?? []);
        const incarnationIn = (key: string): string | undefined => /(?:ann|bob|cat)\.\d+/.exec(key)?.[0];
        const { master, key } = pick(keys.filter((each) => [undefined, ...living].includes(incarnationIn(each.key))));
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
        const { node } = pick(talkers);
        const id = `${node.process}-${Math.floor(chance() * 5)}`;
        const topic = pick(TOPICS);
        const of = members.get(topic)!;
        const done = of.has(id) ? node.leave(id, topic) : node.join(id, topic);
        if (!of.delete(id)) of.add(id);
        await (chance() < 0.5 ? done : lasts(chance() * 50));
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
      await until(() => talkers.every(({ node }) => node.link.state === 'up'), PATIENT);
      step = 'members';
      for (const [topic, ids] of members) {
        for (const { node } of talkers) {
          await until(async () => {
            const { value, missing } = await node.directory.members(topic, { limit: 1000 });
            expect([value.map(({ connectionId }) => connectionId).sort(), missing]).toEqual([[...ids].sort(), []]);
            return true;
          }, PATIENT);
        }
      }
      step = 'messages confirmed';
      await Promise.all(talkers.map((talker) => talker.isConfirmed()));
      step = 'messages heard';
      for (const { node: hearer } of talkers) {
        for (const { node: speaker, said } of talkers.filter(({ node }) => node !== hearer)) {
          for (const topic of TOPICS) {
            await until(() => Number(hearer.heard(topic, speaker.process).at(-1)) >= said, PATIENT);
            const heard = hearer.heard(topic, speaker.process).map(Number);
            expect(heard, 'once and in order').toEqual([...new Set(heard)].sort((a, b) => a - b));
            if (heard.length <= heard.at(-1)! - heard[0]!) expect(hearer.happened('gap'), 'what is missing is reported').toBe(true);
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
