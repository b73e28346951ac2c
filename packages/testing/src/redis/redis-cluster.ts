import { onStablePort } from '../cluster/stable-port.ts';
import { until } from '../until.ts';
import { arrangement, has, parseNodes, slotCount, SLOTS, type NodeView } from './cluster-view.ts';
import { programOf, startRedis, type RedisOptions, type RedisServer } from './redis-server.ts';
import { clusterArguments, isGarnet } from './server-arguments.ts';

export interface RedisClusterOptions extends Pick<RedisOptions, 'program' | 'args' | 'logs' | 'onTestFailed'> {
  /** The number of masters. Default 3, the minimum for a failover. */
  readonly masters?: number;
  /** The total number of replicas, which are assigned to the masters in turn. Default 3; 0 on Garnet, which has no automatic failover. */
  readonly replicas?: number;
  /** The time without an answer after which a node is suspected (`cluster-node-timeout`). Default 1,000. */
  readonly nodeTimeoutMs?: number;
}

/** Starts a Redis Cluster. Resolves when it is {@link RedisCluster.ready}, after about three seconds. */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const program = programOf(options);
  const { masters = 3, replicas = isGarnet(program) ? 0 : 3, nodeTimeoutMs = 1000, args = [], ...others } = options;
  const busPorts = new Map<RedisServer, number>();
  const start = (index: number): Promise<RedisServer> =>
    onStablePort(async (busPort) => {
      const node = await startRedis({
        ...others,
        name: `redis-${index + 1}`,
        args: [...clusterArguments(program, { busPort, nodeTimeoutMs }), ...args],
      });
      if (!isGarnet(program)) busPorts.set(node, busPort);
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

/** A Redis Cluster. Its nodes can be stopped, paused and started. A restarted node is empty and keeps its node id. */
export class RedisCluster implements AsyncDisposable {
  /** All nodes: first the initial masters, then the initial replicas. */
  readonly nodes: readonly RedisServer[];
  /** `redis://127.0.0.1:20000,127.0.0.1:20001,…` */
  readonly url: string;

  constructor(nodes: readonly RedisServer[]) {
    this.nodes = nodes;
    this.url = `redis://${nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}`;
  }

  /** Joins the nodes to a cluster, as `redis-cli --cluster create` does. */
  async form(masterCount: number, busPorts: ReadonlyMap<RedisServer, number>): Promise<void> {
    const busPortOf = (node: RedisServer): readonly number[] => [busPorts.get(node) ?? []].flat();
    const masters = this.nodes.slice(0, masterCount);
    for (const [index, node] of masters.entries()) {
      const bounds = [index, index + 1].map((edge) => Math.floor((edge * SLOTS) / masterCount));
      await node.call('CLUSTER', 'ADDSLOTSRANGE', bounds[0] ?? 0, (bounds[1] ?? 0) - 1);
      await node.call('CLUSTER', 'SET-CONFIG-EPOCH', index + 1);
    }
    for (const node of this.nodes) {
      for (const other of this.nodes) {
        if (other !== node) await node.call('CLUSTER', 'MEET', '127.0.0.1', other.port, ...busPortOf(other));
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
   * Resolves when all running nodes have the same view, each slot has a running master, and the running replicas are in
   * sync.
   * @throws Error after 20 s
   */
  async ready(): Promise<void> {
    await until(async () => (await this.#whyNotReady()) === undefined, { timeoutMs: SETTLED_MS, intervalMs: 20 }).catch(async (cause) => {
      throw new Error(`The Redis Cluster is not ready: ${await this.#whyNotReady()}`, { cause });
    });
  }

  /** The running masters that have slots. */
  async masters(): Promise<readonly RedisServer[]> {
    const ports = new Set((await this.#view()).filter((node) => slotCount(node) > 0).map(({ port }) => port));
    return this.#running().filter(({ port }) => ports.has(port));
  }

  /** The master of a slot, or of a key's slot. */
  async masterOf(slotOrKey: number | string): Promise<RedisServer> {
    const slot = typeof slotOrKey === 'number' ? slotOrKey : Number(await this.#anyNode().call('CLUSTER', 'KEYSLOT', slotOrKey));
    const owner = (await this.#view()).find((node) => has(slot, node));
    const server = this.#running().find(({ port }) => port === owner?.port);
    if (!server) throw new Error(`Slot ${slot} has no running master.`);
    return server;
  }

  /** The running replicas of a master. */
  async replicasOf(master: RedisServer): Promise<readonly RedisServer[]> {
    const id = await master.call('CLUSTER', 'MYID');
    const ports = new Set((await this.#view()).filter(({ masterId }) => masterId === id).map(({ port }) => port));
    return this.#running().filter(({ port }) => ports.has(port));
  }

  /** Promotes a replica in an orderly failover. Resolves with the replica when all nodes know the new master. */
  async failover(master: RedisServer): Promise<RedisServer> {
    const [replica] = await this.replicasOf(master);
    if (!replica) throw new Error(`${master.name} has no replica.`);
    await replica.call('CLUSTER', 'FAILOVER');
    await until(async () => (await this.masters()).includes(replica), { timeoutMs: SETTLED_MS });
    await this.ready();
    return replica;
  }

  /** Moves a slot with its keys, also under traffic. Resolves when all nodes know the new owner. */
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
    // The new owner is informed first: if it ended after the others were informed, no node would own the slot.
    for (const node of [to, from, ...masters.filter((node) => node !== to && node !== from)]) {
      await node.call('CLUSTER', 'SETSLOT', slot, 'NODE', toId);
    }
    await this.ready();
  }

  /** Sends FLUSHALL to every master. */
  async flush(): Promise<void> {
    await Promise.all((await this.masters()).map((master) => master.flush()));
  }

  /** The sorted names of the keys on all masters. */
  async keys(pattern = '*'): Promise<readonly string[]> {
    return (await Promise.all((await this.masters()).map((master) => master.keys(pattern)))).flat().sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()));
  }

  #running(): readonly RedisServer[] {
    return this.nodes.filter(({ isRunning, isPaused }) => isRunning && !isPaused);
  }

  #anyNode(): RedisServer {
    const [node] = this.#running();
    if (!node) throw new Error('No node of the Redis Cluster runs.');
    return node;
  }

  async #view(node = this.#anyNode()): Promise<readonly NodeView[]> {
    return parseNodes(String(await node.call('CLUSTER', 'NODES')));
  }

  async #whyNotReady(): Promise<string | undefined> {
    const nodes = this.#running();
    const views = await Promise.all(nodes.map((node) => this.#view(node)));
    if (new Set(views.map(arrangement)).size !== 1) return 'its nodes have different views of slots and replicas';
    for (const [index, { name }] of nodes.entries()) {
      const view = views[index] ?? [];
      if (view.length !== this.nodes.length) return `${name} knows ${view.length} of ${this.nodes.length} nodes`;
      for (const { port, flags, slots, masterId } of view) {
        const other = nodes.find((node) => node.port === port);
        if (!other && slots.length > 0) return `${name} assigns slots to a master that does not run`;
        if (other && flags.some((flag) => flag.startsWith('fail'))) return `${name} has marked ${other.name} as failed`;
        if (other && slots.length === 0 && masterId === undefined) return `${other.name} has no slots and no master`;
      }
    }
    for (const node of nodes) {
      if (!String(await node.call('CLUSTER', 'INFO')).includes('cluster_state:ok')) return `${node.name} does not report cluster_state:ok`;
      const [role, , , link] = (await node.call('ROLE')) as string[];
      if (role === 'slave' && link !== 'connected') return `${node.name} is not in sync`;
    }
    return undefined;
  }
}

const SETTLED_MS = 20_000;
