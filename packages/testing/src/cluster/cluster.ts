import type { RedisCluster } from '../redis/redis-cluster.ts';
import type { RedisServer } from '../redis/redis-server.ts';
import { ClusterNode } from './cluster-node.ts';
import { entryPath, loaderFor } from './entry.ts';
import { startFront, type BalancerKind, type Front } from './front.ts';
import { ProcessSandbox, type ProcessSandboxOptions } from './process-sandbox.ts';
import type { TcpProxy } from './proxy.ts';
import { onStablePort } from './stable-port.ts';
import { startStore, type BackplaneKind, type Store } from './store.ts';

/** The same for all nodes, or for each by its index. */
export type PerNode<T> = T | ((index: number) => T);

export interface ClusterOptions extends ProcessSandboxOptions {
  /** The number of nodes, which are named `node-1`, `node-2` …. Default 3. */
  readonly nodes?: number;
  /**
   * The module of a node: a URL, or a path from {@link cwd}. TypeScript is run by the package `tsx` of that project; without it by Node.js
   * itself, if it strips types (22.18 and newer), or by a loader that NODE_OPTIONS or `execArgv` names. It receives the arguments `--port P --node-id I [--redis URL]` and `args`, serves
   * on that port of 127.0.0.1, prints `{"url":…}` in one line when it is ready, and ends on SIGTERM. Default: the
   * conformance server.
   */
  readonly entry?: string | URL;
  /** The folder of the user's project: the nodes' working directory, from which `execArgv` is resolved. Default: that of this process. */
  readonly cwd?: string;
  /** Starts what connects the nodes. Default `memory`, for one node, unless `redis` is given. */
  readonly backplane?: BackplaneKind;
  /** Starts a load balancer, whose address is {@link Cluster.url}. Default `none`. */
  readonly balancer?: BalancerKind;
  /** The Redis of a node, which the test has started: the result of `startRedis` or `startProxy`, for example. */
  readonly redis?: PerNode<{ readonly url: string }>;
  readonly args?: PerNode<readonly string[]>;
  readonly env?: PerNode<Readonly<Record<string, string>>>;
  /** Arguments of Node.js itself: `['--max-old-space-size=64']`. NODE_OPTIONS of this process apply too. */
  readonly execArgv?: PerNode<readonly string[]>;
  /** The time limit in milliseconds until a node is ready. Default 15,000, because several nodes start at once. */
  readonly startedMs?: number;
}

/** Nodes in processes of their own, which end together with this process, however it ends. */
export interface Cluster extends AsyncDisposable {
  readonly nodes: readonly ClusterNode[];
  /** The address for clients: of the balancer or, without one, of the first node. */
  readonly url: string;
  /** The link in front of the balancer. @throws Error without a balancer */
  readonly balancerLink: TcpProxy;
  /** With `backplane: 'redis'`. @throws Error otherwise */
  readonly redis: RedisServer;
  /** With `backplane: 'redis-cluster'`. @throws Error otherwise */
  readonly redisCluster: RedisCluster;
  /** @throws RangeError */
  node(nodeId: string): ClusterNode;
}

/**
 * Starts nodes. Resolves when all are ready.
 * @throws Error with the output of a node that is not ready, after all are killed; MissingPackageError if nothing can run a TypeScript entry
 */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const { nodes: count = 3, cwd = process.cwd(), backplane, balancer = 'none' } = options;
  const sandbox = new ProcessSandbox('cluster', options);
  const started: AsyncDisposable[] = [sandbox];
  let disposing: Promise<void> | undefined;
  const dispose = (): Promise<void> =>
    (disposing ??= (async () => {
      for (const each of started.reverse()) await each[Symbol.asyncDispose]();
    })());
  try {
    const store = backplane && (await startStore(backplane, count, options));
    if (store) started.unshift(store); // stopped after the nodes
    const nodes = await Promise.all(Array.from({ length: count }, (_, index) => startNode(index, { ...options, cwd, store, sandbox })));
    const front = await startFront(balancer, nodes);
    if (front) started.push(front);
    return clusterOf(nodes, { store, front, dispose });
  } catch (error) {
    await dispose();
    throw error;
  }
}

interface NodeEnvironment extends ClusterOptions {
  readonly cwd: string;
  readonly store: Store | undefined;
  readonly sandbox: ProcessSandbox;
}

async function startNode(index: number, { sandbox, store, cwd, ...options }: NodeEnvironment): Promise<ClusterNode> {
  const { entry = CONFORMANCE_SERVER, redis, args = [], env = {}, execArgv = [], startedMs = 15_000 } = options;
  const path = entryPath(entry, cwd);
  const link = store?.links[index];
  const address = link ?? store?.redisCluster ?? of(redis, index);
  const ownArgs = of(execArgv, index);
  const nodeArgs = [
    ...loaderFor(path, { project: cwd, execArgv: ownArgs, env: { ...process.env, ...of(env, index) } }),
    ...ownArgs,
    '--import',
    AGENT.href,
  ];
  return onStablePort(async (port) => {
    const nodeId = `node-${index + 1}`;
    const node = new ClusterNode({
      nodeId,
      port,
      command: process.execPath,
      args: [
        ...nodeArgs,
        path,
        ...['--port', String(port), '--node-id', nodeId],
        ...(address ? ['--redis', address.url] : []),
        ...of(args, index),
      ],
      env: of(env, index),
      folder: cwd,
      link,
      sandbox,
      startedMs,
    });
    await node.start();
    return node;
  });
}

interface ClusterParts {
  readonly store: Store | undefined;
  readonly front: Front | undefined;
  readonly dispose: () => Promise<void>;
}

function clusterOf(nodes: readonly ClusterNode[], { store, front, dispose }: ClusterParts): Cluster {
  const [first] = nodes;
  return {
    nodes,
    get url() {
      return front?.link.url ?? first?.url ?? '';
    },
    get balancerLink() {
      return present(front?.link, 'a balancer');
    },
    get redis() {
      return present(store?.redis, "the backplane 'redis'");
    },
    get redisCluster() {
      return present(store?.redisCluster, "the backplane 'redis-cluster'");
    },
    node(nodeId) {
      const node = nodes.find((candidate) => candidate.nodeId === nodeId);
      if (!node) throw new RangeError(`There is no node named ${nodeId}.`);
      return node;
    },
    [Symbol.asyncDispose]: dispose,
  };
}

function present<T>(value: T | undefined, what: string): T {
  if (value === undefined) throw new Error(`The cluster was started without ${what}.`);
  return value;
}

const of = <T>(value: PerNode<T>, index: number): T => (typeof value === 'function' ? (value as (index: number) => T)(index) : value);

/** A source file beside this source, a built file beside the built one. */
const EXTENSION = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
/** The program of the conformance server. */
const CONFORMANCE_SERVER = new URL(`../conformance-server/main${EXTENSION}`, import.meta.url);
/** The preloaded module for faults inside a node. */
const AGENT = new URL(`./node-agent${EXTENSION}`, import.meta.url);
