import { fileURLToPath } from 'node:url';
import { ClusterNode } from './cluster-node.ts';
import { ProcessSandbox, type ProcessSandboxOptions } from './process-sandbox.ts';
import { onStablePort } from './stable-port.ts';

/** The same for all nodes, or for each by its index. */
export type PerNode<T> = T | ((index: number) => T);

export interface ClusterOptions extends ProcessSandboxOptions {
  /** The number of nodes, which are named `node-1`, `node-2` …. Default 3. */
  readonly nodes?: number;
  /**
   * The module of a node, which Node.js can run. It receives the arguments `--port P --node-id I [--redis URL]` and `args`, serves
   * on that port of 127.0.0.1, prints `{"url":…}` in one line when it is ready, and ends on SIGTERM. Default: the
   * conformance server.
   */
  readonly entry?: URL;
  /** The Redis of a node: the result of `startRedis` or `startProxy`, for example. */
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
  /** @throws RangeError */
  node(nodeId: string): ClusterNode;
}

/** Starts nodes. Resolves when all are ready. @throws Error with the output of a node that is not ready; all nodes are killed then */
export async function startCluster({ nodes: count = 3, startedMs = 15_000, ...options }: ClusterOptions = {}): Promise<Cluster> {
  const { entry = CONFORMANCE_SERVER, redis, args = [], env = {}, execArgv = [] } = options;
  const sandbox = new ProcessSandbox('cluster', options);
  const start = (index: number): Promise<ClusterNode> =>
    onStablePort(async (port) => {
      const nodeId = `node-${index + 1}`;
      const store = of(redis, index);
      const node = new ClusterNode({
        nodeId,
        port,
        command: process.execPath,
        args: [
          ...of(execArgv, index),
          fileURLToPath(entry),
          ...['--port', String(port), '--node-id', nodeId],
          ...(store ? ['--redis', store.url] : []),
          ...of(args, index),
        ],
        env: of(env, index),
        sandbox,
        startedMs,
      });
      await node.start();
      return node;
    });
  try {
    const nodes = await Promise.all(Array.from({ length: count }, (_, index) => start(index)));
    return {
      nodes,
      node(nodeId) {
        const node = nodes.find((candidate) => candidate.nodeId === nodeId);
        if (!node) throw new RangeError(`There is no node named ${nodeId}.`);
        return node;
      },
      [Symbol.asyncDispose]: () => sandbox[Symbol.asyncDispose](),
    };
  } catch (error) {
    await sandbox[Symbol.asyncDispose]();
    throw error;
  }
}

const of = <T>(value: PerNode<T>, index: number): T => (typeof value === 'function' ? (value as (index: number) => T)(index) : value);

/** The program of the conformance server: a source file beside this source, a built file beside the built one. */
const CONFORMANCE_SERVER = new URL(`../conformance-server/main${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url);
