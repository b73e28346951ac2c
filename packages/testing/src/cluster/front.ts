import { startBalancer } from '../balancers.ts';
import { HttpBalancer, type BalancedNode } from './http-balancer.ts';
import { startProxy, type TcpProxy } from './proxy.ts';

/** `nginx` and `haproxy` run a configuration such as those of `deploy/`: port 4000 is the balancer, 4001 … are the nodes in order. */
export type BalancerKind =
  | 'none'
  | 'round-robin'
  | 'sticky'
  | {
      readonly kind: 'nginx' | 'haproxy';
      /** The path of the configuration file. */
      readonly configuration: string;
      /** A path, or a name on the PATH. Default: the kind. */
      readonly program?: string;
    };

/** A balancer with the link in front of it. */
export interface Front extends AsyncDisposable {
  readonly link: TcpProxy;
  /** The output of nginx or HAProxy so far. */
  readonly log: string;
}

/** Starts the balancer. Returns undefined for `none`. */
export async function startFront(kind: BalancerKind, nodes: readonly BalancedNode[]): Promise<Front | undefined> {
  if (kind === 'none') return undefined;
  const balancer = typeof kind === 'string' ? await listening(new HttpBalancer(kind, nodes)) : await external(kind, nodes);
  const link = await startProxy(balancer.url, { name: 'link of the balancer' });
  return {
    link,
    get log() {
      return 'log' in balancer ? balancer.log() : '';
    },
    async [Symbol.asyncDispose]() {
      await link[Symbol.asyncDispose]();
      await balancer[Symbol.asyncDispose]();
    },
  };
}

async function listening(balancer: HttpBalancer): Promise<HttpBalancer> {
  await balancer.listen();
  return balancer;
}

const external = ({ kind, configuration, program = kind }: Exclude<BalancerKind, string>, nodes: readonly BalancedNode[]) =>
  startBalancer(kind, { program, configuration, nodes: nodes.map(({ port }) => port) });
