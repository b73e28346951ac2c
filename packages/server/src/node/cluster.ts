import { allTopic, NodeMessenger, type Backplane, type Link, type LinkObserver, type NodeInfo } from '../backplane/index.ts';
import type { HubCluster } from '../hub/index.ts';
import { RemoteCommands, Invocations, NodeRequests, serveInvocations, type Executor } from '../invocation/index.ts';
import { Broadcaster, LocalMembership, TopicSubscriptions } from '../membership/index.ts';
import { completenessOf, PresenceReader, ClusterNodes, TopicChanges, Watches, type ClusterItems } from '../presence/index.ts';
import type { BackplaneHealth } from './health.ts';
import type { LocalNode } from './local-node.ts';
import type { ServerEvents } from './server-events.ts';

/** The parts of one backplane link that its hubs share: membership, broadcasts, presence and invocations. */
export class Cluster implements HubCluster {
  readonly link: Link;
  readonly nodes: ClusterNodes;
  readonly membership: LocalMembership;
  readonly broadcaster: Broadcaster;
  readonly invocations: Invocations;
  readonly commands: RemoteCommands;
  readonly watches: Watches;
  readonly #messenger: NodeMessenger;
  readonly #subscriptions: TopicSubscriptions;
  readonly #requests: NodeRequests;
  readonly #executors = new Map<string, Executor>();

  constructor(backplane: Backplane, { info: self, settings, events }: Pick<LocalNode, 'info' | 'settings' | 'events'>) {
    const { codecs, clock, timeouts } = settings;
    const { lingerMs } = timeouts;
    const report = (stage: string) => (error: unknown) => events.report(stage, error);
    this.nodes = new ClusterNodes(self, clock);
    this.#subscriptions = new TopicSubscriptions({ messenger: () => this.#messenger, clock, lingerMs });
    const membership = (this.membership = new LocalMembership(() => this.link.directory, this.#subscriptions));
    this.link = backplane.open(self, membership, this.#observe(events));
    const { bus, directory } = this.link;
    const messenger = (this.#messenger = new NodeMessenger({
      bus,
      self: self.process,
      elapsed: () => clock.elapsed(),
      report: events.report,
    }));
    const nodes = this.nodes;
    const reader = new PresenceReader(directory);
    const requests = (this.#requests = new NodeRequests({ self: self.process, messenger, nodes, clock, report: report('ask') }));
    this.broadcaster = new Broadcaster({
      self: self.process,
      membership,
      messenger,
      codecs,
      clock,
      lost: (loss) => events.emit('lost', loss),
    });
    const changes = new TopicChanges({ self: self.process, membership, messenger, report: report('watch') });
    this.watches = new Watches({ directory, subscriptions: this.#subscriptions, changes, nodes, clock, report: report('watch') });
    this.invocations = new Invocations({
      self: self.process,
      requests,
      reader,
      nodes,
      membership,
      codecs,
      clock,
      timeoutMs: timeouts.callMs,
      attemptMs: timeouts.attemptMs,
    });
    this.commands = new RemoteCommands({
      requests,
      nodes,
      directory,
      clock,
      timeoutMs: timeouts.commandMs,
      executors: this.#executors,
    });
    serveInvocations(requests, { membership, codecs, clock, executors: this.#executors });
  }

  /** The names of the hubs that this backplane joins. */
  get hubs(): readonly string[] {
    return [...this.#executors.keys()];
  }

  get health(): BackplaneHealth {
    const { state, outage } = this.link;
    return { hubs: this.hubs, state, ...(outage && { outage }) };
  }

  /** Serves a hub. From then on this node is subscribed to messages for all of the hub's connections. */
  serve(hub: string, executor: Executor): void {
    this.#executors.set(hub, executor);
    void this.#subscriptions.acquire(allTopic(hub));
  }

  /**
   * Returns the nodes of the cluster. After an outage these include nodes that are neither registered again nor lost. While the list
   * of nodes cannot be read, they are this node only.
   */
  async knownNodes(): Promise<ClusterItems<NodeInfo>> {
    const { value, ...missing } = await this.link.directory.nodes();
    const shown = new Set(value.map(({ process }) => process));
    const isBack = ({ process, nodeId }: NodeInfo): boolean => !shown.has(process) && missing.missing.includes(nodeId);
    const others = missing.hasUnknownNodes ? [] : this.nodes.all().filter(isBack);
    return { items: [...value, ...others], ...completenessOf(missing) };
  }

  async ready(): Promise<void> {
    await this.link.ready();
    await this.#messenger.ready;
  }

  async close(): Promise<void> {
    await this.watches.close();
    this.#requests.close();
    this.#subscriptions.close();
    this.#messenger.close();
    await this.link.close();
  }

  /** The link calls its observer only after the constructor has run: a backplane calls nothing back inside `open`. */
  #observe(events: ServerEvents): LinkObserver {
    return {
      down: (cause) => events.emit('backplaneDown', cause),
      up: (outage) => {
        this.watches.resynchronise();
        events.emit('backplaneUp', outage);
      },
      gap: (gap) => {
        this.watches.resynchronise();
        events.emit('gap', gap);
      },
      stale: () => this.watches.resynchronise(),
      joined: (node) => {
        const isNew = this.nodes.joined(node);
        this.watches.resynchronise();
        if (isNew) events.emit('nodeJoined', node);
      },
      lost: (node, reason) => {
        if (!this.nodes.lost(node, reason)) return;
        this.#requests.lost(node);
        this.watches.lost(node);
        events.emit('nodeLost', node, reason);
      },
      report: events.report,
    };
  }
}

/** The nodes of several clusters, each once. */
export async function nodesOf(clusters: readonly Cluster[]): Promise<ClusterItems<NodeInfo>> {
  const answers = await Promise.all(clusters.map((cluster) => cluster.knownNodes()));
  const nodes = new Map(answers.flatMap(({ items }) => items.map((node) => [node.process, node])));
  return {
    items: [...nodes.values()],
    complete: answers.every(({ complete }) => complete),
    missingNodes: [...new Set(answers.flatMap(({ missingNodes }) => missingNodes))],
  };
}
