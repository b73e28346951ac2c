import { onStablePort } from '../cluster/stable-port.ts';
import { until } from '../until.ts';
import { arrangement, has, parseNodes, slotCount, SLOTS, type NodeView } from './cluster-view.ts';
import { startRedis, type RedisOptions, type RedisServer } from './redis-server.ts';

export interface RedisClusterOptions extends Pick<RedisOptions, 'program' | 'args' | 'logs' | 'onTestFailed'> {
  /** Default 3, which is the least that can agree on a failover. */
  readonly masters?: number;
  /** In all, dealt out to the masters in turn. Default 3. */
  readonly replicas?: number;
  /** How long a node is silent until the others suspect it (`cluster-node-timeout`). Default 1,000. */
  readonly nodeTimeoutMs?: number;
}

/** A Redis Cluster of its own. Resolves when it is {@link RedisCluster.ready}, which takes about three seconds. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const { masters = 3, replicas = 3, nodeTimeoutMs = 1000, args = [], ...others } = options;
  const busPorts = new Map<RedisServer, number>();
  const start = (index: number): Promise<RedisServer> =>
    onStablePort(async (busPort) => {
      const node = await startRedis({
        ...others,
        name: `redis-${index + 1}`,
        args: [
          ...['--cluster-enabled', 'yes', '--cluster-port', String(busPort), '--cluster-node-timeout', String(nodeTimeoutMs)],
          // At once, and not after the five seconds in which other replicas might ask for the same.
          ...['--repl-diskless-sync-delay', '0'],
          ...args,
        ],
      });
      busPorts.set(node, busPort);
      return node;
    });
  const starts = await Promise.allSettled(Array.from({ length: masters + replicas }, (_, index) => start(index)));
  const cluster = new RedisCluster(starts.flatMap((each) => (each.status === 'fulfilled' ? each.value : [])));
  try {
    for (const each of starts) if (each.status === 'rejected') throw each.reason;
    await cluster.form(masters, busPorts);
    return cluster;
  } catch (error) {
    await cluster[Symbol.asyncDispose]();
    throw error;
  }
}

/** Its nodes can be stopped, paused and started like any Redis. A node that is started again is empty and knows who it is. */
export class RedisCluster implements AsyncDisposable {
  /** At first the masters, then the replicas. */
  readonly nodes: readonly RedisServer[];
  /** `redis://127.0.0.1:20000,127.0.0.1:20001,…` */
  readonly url: string;

  constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
    this.url = `redis://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  /** Makes one of nodes that do not know each other: what `redis-cli --cluster create` does. */
  async form(masterCount: number, busPorts: ReadonlyMap<RedisServer, number>): Promise<void> {
    const masters = this.nodes.slice(0, masterCount);
    for (const [index, node] of masters.entries()) {
      const bounds = [index, index + 1].map((edge) => Math.floor((edge * SLOTS) / masterCount));
      await node.call('CLUSTER', 'ADDSLOTSRANGE', bounds[0] ?? 0, (bounds[1] ?? 0) - 1);
      await node.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    }
    for (const node of this.nodes) {
      for (const other of this.nodes) {
        if (other !== node) await node.call('CLUSTER', 'MEET', '127.0.0.1', other.port, busPorts.get(other) ?? 0);
      }
    }
    for (const [index, replica] of this.nodes.slice(masterCount).entries()) {
      const master = masters[index % masterCount];
      const id = String(await master?.call('CLUSTER', 'MYID'));
      await until(async () => (await replica.call('CLUSTER', 'REPLICATE', id)) === 'OK', { timeoutMs: SETTLED_MS });
    }
    await this.ready();
  }

  /**
   * Resolves when those nodes that answer agree on everything: each slot has a master that answers, and the replicas
   * among them are in sync.
   * @throws Error after 20 s
   */
  async ready(): Promise<void> {
    await until(async () => (await this.#whyNot()) === undefined, { timeoutMs: SETTLED_MS, intervalMs: 20 }).catch(async (cause) => {
      throw new Error(`The Redis Cluster is not ready: ${await this.#whyNot()}`, { cause });
    });
  }

  /** The masters that have slots, and answer. */
  async masters(): Promise<readonly RedisServer[]> {
    const ports = new Set((await this.#view()).filter((node) => slotCount(node) > 0).map(({ port }) => port));
    return this.#answering().filter(({ port }) => ports.has(port));
  }

  /** The master of a slot, or of a key's slot. */
  async masterOf(slotOrKey: number | string): Promise<RedisServer> {
    const slot = typeof slotOrKey === 'number' ? slotOrKey : Number(await this.#anyone().call('CLUSTER', 'KEYSLOT', slotOrKey));
    const owner = (await this.#view()).find((node) => has(slot, node));
    const server = this.#answering().find(({ port }) => port === owner?.port);
    if (!server) throw new Error(`Nobody answers for slot ${slot}.`);
    return server;
  }

  /** Those that answer. */
  async replicasOf(master: RedisServer): Promise<readonly RedisServer[]> {
    const id = await master.call('CLUSTER', 'MYID');
    const ports = new Set((await this.#view()).filter(({ masterId }) => masterId === id).map(({ port }) => port));
    return this.#answering().filter(({ port }) => ports.has(port));
  }

  /** Has a replica take over in good order. Resolves with it when all nodes know. */
  async failover(master: RedisServer): Promise<RedisServer> {
    const [replica] = await this.replicasOf(master);
    if (!replica) throw new Error(`${master.name} has no replica.`);
    await replica.call('CLUSTER', 'FAILOVER');
    await until(async () => (await this.masters()).includes(replica), { timeoutMs: SETTLED_MS });
    await this.ready();
    return replica;
  }

  /** Moves a slot with its keys, under traffic if need be. Resolves when all nodes know. */
  async moveSlot(slot: number, to: RedisServer): Promise<void> {
    const from = await this.masterOf(slot);
    const [fromId, toId] = await Promise.all([from, to].map(async (node) => String(await node.call('CLUSTER', 'MYID'))));
    if (fromId === undefined || toId === undefined || from === to) throw new Error(`Slot ${slot} is at ${to.name} already.`);
    await to.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId);
    await from.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId);
    for (;;) {
      const keys = (await from.call('CLUSTER', 'GETKEYSINSLOT', slot, 100)) as string[];
      if (keys.length === 0) break;
      await from.call('MIGRATE', '127.0.0.1', to.port, '', 0, 5000, 'KEYS', ...keys);
    }
    const masters = await this.masters();
    // The new owner first: should it end now, nobody says that the slot is there.
    for (const node of [to, from, ...masters.filter((node) => node !== to && node !== from)]) {
      await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
    }
    await this.ready();
  }

  /** FLUSHALL on every master. */
  async flush(): Promise<void> {
    await Promise.all((await this.masters()).map((master) => master.flush()));
  }

  /** The names of the keys on all masters, in order. */
  async keys(pattern = '*'): Promise<readonly string[]> {
    return (await Promise.all((await this.masters()).map((master) => master.keys(pattern)))).flat().sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()));
  }

  #answering(): readonly RedisServer[] {
    return this.nodes.filter(({ isRunning, isPaused }) => isRunning && !isPaused);
  }

  #anyone(): RedisServer {
    const [node] = this.#answering();
    if (!node) throw new Error('No node of the Redis Cluster answers.');
    return node;
  }

  async #view(node = this.#anyone()): Promise<readonly NodeView[]> {
    return parseNodes(String(await node.call('CLUSTER', 'NODES')));
  }

  async #whyNot(): Promise<string | undefined> {
    const nodes = this.#answering();
    const views = await Promise.all(nodes.map((node) => this.#view(node)));
    if (new Set(views.map(arrangement)).size !== 1) return 'its nodes do not agree who has which slots, or who follows whom';
    for (const [index, { name }] of nodes.entries()) {
      const view = views[index] ?? [];
      if (view.length !== this.nodes.length) return `${name} knows ${view.length} of ${this.nodes.length} nodes`;
      for (const { port, flags, slots, masterId } of view) {
        const other = nodes.find((node) => node.port === port);
        if (!other && slots.length > 0) return `${name} counts on a master that does not answer`;
        if (other && flags.some((flag) => flag.startsWith('fail'))) return `${name} takes ${other.name} for lost`;
        if (other && slots.length === 0 && masterId === undefined) return `${other.name} has nothing to do`;
      }
    }
    for (const node of nodes) {
      if (!String(await node.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) return `${node.name} says that its state is not ok`;
      const [role, , , link] = (await node.call('ROLE')) as string[];
      if (role === 'slave' && link !== 'connected') return `${node.name} is not in sync`;
    }
    return undefined;
  }
}

const SETTLED_MS = 20_000;
