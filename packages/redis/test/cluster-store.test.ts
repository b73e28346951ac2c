import { EventEmitter } from 'node:events';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { Redis } from 'ioredis';
import { expect, it, vi } from 'vitest';
import { ClusterStore } from '../src/cluster-store.ts';
import type { RedisAddress } from '../src/options.ts';
import { slotOf, SLOTS } from '../src/slots.ts';

const address = (port: number): RedisAddress => ({ host: 'a.test', port });
const [A, B, C, D] = [address(1), address(2), address(3), address(4)];
const CHANNEL = '{x}';

/** Masters of a cluster with a slot that moves. The connection to the fourth master takes a while. */
class Masters {
  owner = A;
  /** The owner of the slot according to CLUSTER SLOTS. */
  said = A;
  readonly received: string[] = [];
  /** The ports to which there are connections. */
  readonly made: number[] = [];

  client({ port }: RedisAddress): Redis {
    this.made.push(port);
    const run = ([name, , frame]: readonly unknown[]): unknown => {
      if (name === 'cluster') return this.#slots();
      if (name === 'command') return [1];
      if (port !== this.owner.port) return new Error(`MOVED ${slotOf(CHANNEL)} ${this.owner.host}:${this.owner.port}`);
      if (name === 'spublish') this.received.push(String(frame));
      return 1;
    };
    const exec = (commands: unknown[][]) =>
      commands.map(run).map((answer) => (answer instanceof Error ? [Object.assign(answer, { name: 'ReplyError' })] : [null, answer]));
    const client = Object.assign(new EventEmitter(), {
      status: 'connecting',
      disconnect: () => undefined,
      ping: async () => 'PONG',
      call: async (...command: unknown[]) => run(command),
      pipeline: (commands: unknown[][]) => ({ exec: async () => exec(commands) }),
    });
    const ready = (): void => {
      client.status = 'ready';
      client.emit('ready');
    };
    setTimeout(ready, port === D.port ? 50 : 0);
    return client as unknown as Redis;
  }

  #slots(): unknown {
    const slot = slotOf(CHANNEL);
    const at = ({ host, port }: RedisAddress) => [host, port];
    const last = SLOTS - 1;
    return [
      [0, slot - 1, at(A)],
      [slot, slot, at(this.said)],
      [slot + 1, last - 2, at(A)],
      [last - 1, last - 1, at(B)],
      [last, last, at(C)],
    ];
  }
}

async function storeOf(masters: Masters) {
  const observer = { ready: vi.fn(), lost: vi.fn(), message: vi.fn(), moved: vi.fn() };
  const clientFor = (_role: unknown, at = A): Redis => masters.client(at);
  const store = new ClusterStore({ clientFor, timeoutMs: 1000, seeds: [A], natMap: {} }, observer);
  await vi.waitFor(() => expect(observer.ready).toHaveBeenCalled());
  return { store, observer, [Symbol.dispose]: () => store.close() };
}

it('a redirected message is not overtaken although its slot moves several times', async () => {
  const masters = new Masters();
  using cluster = await storeOf(masters);
  const { store, observer } = cluster;
  masters.owner = C;
  masters.said = B; // the slot has moved again by then
  const first = store.publish([[CHANNEL, Buffer.from('first')]]);
  await vi.waitFor(() => expect(observer.moved).toHaveBeenCalledTimes(1), { interval: 1 });
  masters.said = C;
  await store.run([['get', CHANNEL]]); // the store learns the new owner before it sends the first message again
  await Promise.all([store.publish([[CHANNEL, Buffer.from('second')]]), first]);
  expect(masters.received).toEqual(['first', 'second']);
});

it('a slot that moves to a new master is used there after the connection, and no command fails until then', async () => {
  const masters = new Masters();
  using cluster = await storeOf(masters);
  masters.owner = D;
  masters.said = D;
  const asked = cluster.store.run([['get', CHANNEL]]);
  await vi.waitFor(() => expect(masters.made).toContain(D.port), { interval: 1 });
  await expect(cluster.store.publish([[CHANNEL, Buffer.from('meanwhile')]])).resolves.toEqual([undefined]);
  expect(await asked).toEqual([1]);
  expect(masters.received).toEqual(['meanwhile']);
});

it('a cluster store keeps no memory of slots that have moved', async () => {
  setFlagsFromString('--expose-gc');
  const collectGarbage = runInNewContext('gc') as () => void;
  const masters = new Masters();
  using cluster = await storeOf(masters);
  const { store, observer } = cluster;
  const posts = Array.from({ length: 1000 }, () => [CHANNEL, Buffer.from('x')] as const);
  const move = async (times: number): Promise<number> => {
    for (let i = 0; i < times; i++) {
      masters.owner = masters.said = masters.said === B ? C : B;
      await Promise.all([store.publish(posts), store.ping()]);
      masters.received.length = 0;
      observer.moved.mockClear();
    }
    collectGarbage();
    return process.memoryUsage().heapUsed;
  };
  const before = await move(30);
  expect((await move(150)) - before).toBeLessThan(500_000); // if each result kept the one before, a move would take 8 KB
});
