import type { Link } from '../backplane/index.ts';
import type { RemoteCommands, Executor, Invocations } from '../invocation/index.ts';
import type { Broadcaster, LocalMembership } from '../membership/index.ts';
import type { ClusterNodes, Watches } from '../presence/index.ts';

/** The cluster as a hub uses it: the node implements it for each of its backplanes. */
export interface HubCluster {
  readonly link: Pick<Link, 'directory'>;
  readonly nodes: ClusterNodes;
  readonly membership: LocalMembership;
  readonly broadcaster: Broadcaster;
  readonly invocations: Invocations;
  readonly commands: RemoteCommands;
  readonly watches: Watches;
  /** Serves a hub. From then on this node is subscribed to messages for all of the hub's connections. */
  serve(hub: string, executor: Executor): void;
}
