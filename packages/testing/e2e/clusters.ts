import { fileURLToPath } from 'node:url';
import { until } from '@hubline/testing';
import { startCluster, type BalancerKind, type Cluster } from '@hubline/testing/cluster';
import type { Cell } from './axes.ts';
import type { Mutation } from './mutations.ts';
import { clusterOf } from './options.ts';

const here = (path: string): URL => new URL(path, import.meta.url);
/** Node.js 20 runs the TypeScript of the nodes by the loader of this repository. */
const LOADER = here('../../../scripts/typescript-loader.mjs').href;
/** The longest time until all nodes are up and without connections, in milliseconds: more than a lease. */
const WHOLE_MS = 20_000;

/** The cluster of the present cell, which the next cell of the same kind uses again if it is whole. */
export class Clusters implements AsyncDisposable {
  readonly #mutation: Mutation | undefined;
  #present: { readonly kind: string; readonly cluster: Cluster } | undefined;

  /** @param mutation Breaks the nodes. */
  constructor(mutation: Mutation | undefined) {
    this.#mutation = mutation;
  }

  async for(cell: Cell): Promise<Cluster> {
    const kind = clusterOf(cell);
    if (this.#present?.kind !== kind) {
      await this[Symbol.asyncDispose]();
      const mutation = this.#mutation;
      const cluster = await startCluster({
        nodes: Number(cell.nodes),
        backplane: 'redis',
        balancer: balancerOf(cell),
        entry: here('./node.ts'),
        execArgv: ['--import', LOADER, ...(mutation === undefined ? [] : ['--import', here('./mutate.mjs').href])],
        env: mutation === undefined ? {} : { HUBLINE_MUTATION: JSON.stringify(mutation) },
        startedMs: 30_000,
      });
      this.#present = { kind, cluster };
    }
    return this.#present.cluster;
  }

  /** Resolves when the cluster of the last cell can serve another one. @throws Error if it does not recover */
  async whole(): Promise<void> {
    const { cluster } = this.#present ?? {};
    if (!cluster) return;
    for (const { nodeId, url } of cluster.nodes) {
      let last: unknown;
      await until(
        async () => {
          const state = (last = (await (await fetch(`${url}/health`)).json()) as NodeState);
          return state.status === 'ok' && state.complete && state.nodes === cluster.nodes.length && state.connections === 0;
        },
        { timeoutMs: WHOLE_MS, intervalMs: 50 },
      ).catch((cause: unknown) => {
        throw new Error(`${nodeId} did not recover: ${JSON.stringify(last)}`, { cause });
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { cluster } = this.#present ?? {};
    this.#present = undefined;
    await cluster?.[Symbol.asyncDispose]();
  }
}

/** The answer of `/health` of a node. */
interface NodeState {
  readonly status: string;
  readonly connections: number;
  /** The number of nodes that this node sees. */
  readonly nodes: number;
  readonly complete: boolean;
}

function balancerOf({ balancer }: Cell): BalancerKind {
  if (balancer !== 'nginx' && balancer !== 'haproxy') return balancer;
  const configuration = fileURLToPath(here(`../../../deploy/${balancer}.${balancer === 'nginx' ? 'conf' : 'cfg'}`));
  return { kind: balancer, configuration, program: process.env[`HUBLINE_${balancer.toUpperCase()}`] ?? balancer };
}
