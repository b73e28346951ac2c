import type { Contract, Name } from '@hubline/protocol';
import { test as base, type BrowserContextOptions, type TestInfo } from '@playwright/test';
import { startCluster, type Cluster, type ClusterOptions } from '../cluster/cluster.ts';
import { startProxy } from '../cluster/proxy.ts';
import { History, timeline, type HistoryEvent } from '../history/index.ts';
import { serveBlankPage } from './blank-page.ts';
import { Peer } from './peer.ts';

export interface PeersOptions<H, R, A> {
  readonly over: Cluster;
  readonly hub: Contract<H, R, A>;
  /** The path of the hub. Default `/` and the name of the hub. */
  readonly path?: string;
  /** Added to the address of the hub, by the index of the peer: `(index) => ({ name: `peer-${index + 1}` })`. */
  readonly query?: (index: number) => Readonly<Record<string, string>>;
  /** The node of a peer. Default: the balancer decides or, without one, the nodes in turn. */
  readonly node?: (index: number) => string;
  /** Default `WebSockets`. */
  readonly transport?: 'WebSockets' | 'ServerSentEvents' | 'LongPolling';
  /** Opens WebSockets without negotiation, as a balancer needs that gives each request to another node. Default false. */
  readonly skipNegotiation?: boolean;
  /** The events that the pages record. */
  readonly events?: readonly Name<R>[];
  /** The answers of the pages to calls of the server, by receiver. */
  readonly results?: { readonly [K in Name<R>]?: unknown };
  /** The user's own page, which calls `expose`; by index. Default: a blank page. */
  readonly page?: (index: number) => string;
  /** Options of the browser contexts. */
  readonly context?: BrowserContextOptions;
}

export interface ClusterFixtures {
  /** The options of `cluster`. Set them with `test.use`. */
  clusterOptions: ClusterOptions;
  /** A cluster for one test. */
  cluster: Cluster;
  /** Records the calls and events of the peers. A failed test has it as a timeline. */
  history: History;
  /** Opens pages in browser contexts of their own, and resolves when all are connected. */
  peers: <H, R, A>(count: number, options: PeersOptions<H, R, A>) => Promise<readonly Peer<H, R>[]>;
}

/** `test` of Playwright with a cluster and its peers. A failed test has the logs of the nodes and a timeline attached. */
export const test = base.extend<ClusterFixtures>({
  clusterOptions: [{}, { option: true }],
  cluster: async ({ clusterOptions }, use, testInfo) => {
    await using cluster = await startCluster(clusterOptions);
    await use(cluster);
    if (!hasFailed(testInfo)) return;
    for (const { nodeId, log } of cluster.nodes) await testInfo.attach(`${nodeId}.log`, { body: log, contentType: 'text/plain' });
  },
  // Playwright reads the names of the fixtures from the pattern.
  history: async ({}, use) => use(new History()),
  peers: async ({ browser, history }, use, testInfo) => {
    const opened: Peer<unknown, unknown>[] = [];
    const disposals: (() => Promise<unknown>)[] = [];
    await use(async (count, options) => {
      const before = opened.length;
      const peers = await Promise.all(
        Array.from({ length: count }, async (_, index) => {
          const context = await browser.newContext(options.context);
          disposals.push(() => context.close());
          const page = await context.newPage();
          const name = `peer-${before + index + 1}`;
          const { link, nodeId, address } = await place(index, options, disposals);
          const peer = new Peer({ name, page, history, link, nodeId });
          opened.push(peer);
          const { events = [], results = {}, transport = 'WebSockets', skipNegotiation = false } = options;
          const url =
            options.page?.(index) ?? (await serveBlankPage(context, { hub: address, transport, skipNegotiation, events, results }));
          await page.goto(url);
          await page.waitForFunction(() => 'hublinePeer' in globalThis);
          await peer.untilState('connected');
          return peer;
        }),
      );
      return peers as never;
    });
    if (hasFailed(testInfo)) await attachTimeline(testInfo, history, opened);
    for (const dispose of disposals.reverse()) await dispose();
  },
});

export { expect } from '@playwright/test';

const hasFailed = ({ errors }: TestInfo): boolean => errors.length > 0;

/** Starts the link of a peer: to its node, or to the balancer. */
async function place<H, R, A>(
  index: number,
  { over, hub, path = `/${hub.name}`, query, node, page }: PeersOptions<H, R, A>,
  disposals: (() => Promise<unknown>)[],
) {
  const isBalanced = over.url !== over.nodes[0]?.url;
  const nodeId = node?.(index) ?? (isBalanced ? undefined : over.nodes[index % over.nodes.length]?.nodeId);
  if (page) return { link: undefined, nodeId: node?.(index), address: '' };
  const link = await startProxy(nodeId === undefined ? over.url : over.node(nodeId).url, { name: `link of peer-${index + 1}` });
  disposals.push(() => link[Symbol.asyncDispose]());
  const address = new URL(path, link.url);
  address.search = new URLSearchParams(query?.(index)).toString();
  return { link, nodeId, address: address.href };
}

async function attachTimeline(testInfo: TestInfo, history: History, peers: readonly Peer<unknown, unknown>[]): Promise<void> {
  const events: HistoryEvent[] = [...history.events];
  for (const peer of peers) {
    // A frozen or closed page has no answer, which must not hide the failure of the test.
    // eslint-disable-next-line no-restricted-syntax -- a time limit
    const answer = await Promise.race([peer.events().catch(() => []), new Promise<[]>((resolve) => void setTimeout(resolve, 1000, []))]);
    for (const { atMs, name, args } of answer)
      events.push({ atMs, type: 'received', by: peer.name, message: `${name} ${JSON.stringify(args)}` });
  }
  const body = timeline(events.sort((one, other) => one.atMs - other.atMs));
  await testInfo.attach('timeline.txt', { body, contentType: 'text/plain' });
}
