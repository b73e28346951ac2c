import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createHubConnection, defineHub, longPolling, serverSentEvents, webSockets } from '@hubline/client';
import { until } from '@hubline/testing';
import { faults, MissingPackageError, startCluster, type ClusterNode } from '@hubline/testing/cluster';
import { describe, expect, it } from 'vitest';

const HTTP_NODE = new URL('./http-node.ts', import.meta.url);

interface Answer {
  readonly nodeId: string;
  readonly now: number;
  readonly date: number;
  readonly folder: string;
}
const ask = async (url: string): Promise<Answer> =>
  (await fetch(url, { signal: AbortSignal.timeout(2000) }).then((response) => response.json())) as Answer;

interface TestHub {
  Echo(text: string): Promise<string>;
  GetCallerConnectionId(): Promise<string>;
}
const testhub = defineHub<TestHub, Record<never, never>>('testhub');

/** The folder in which tsx is installed, once for all tests. */
function tsxFolder(): string {
  const program = `import { tools } from ${JSON.stringify(new URL('../../../../scripts/tools.mjs', import.meta.url).href)};
    process.stdout.write(tools({ tsx: '4.23.15' }));`;
  return execFileSync(process.execPath, ['--input-type=module', '--eval', program], { encoding: 'utf8' });
}

/** A project outside the repository, with a TypeScript entry. */
function project(withTsx: boolean) {
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'hubline-project-')));
  cpSync(HTTP_NODE, join(folder, 'my-server.ts'));
  if (withTsx) symlinkSync(join(tsxFolder(), 'node_modules'), join(folder, 'node_modules'));
  return { folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true }) };
}
/** Without the loader of this repository. */
const env = { NODE_OPTIONS: '--conditions=hubline-source' };

describe('the entry of startCluster', () => {
  it('startCluster runs a TypeScript entry by the tsx of the project, in the folder of the project', async () => {
    using mine = project(true);
    await using cluster = await startCluster({ nodes: 1, cwd: mine.folder, entry: './my-server.ts', env });
    expect(await ask(cluster.url)).toMatchObject({ nodeId: 'node-1', folder: mine.folder });
  });

  it('startCluster resolves execArgv from the project', async () => {
    using mine = project(true);
    const options = { nodes: 1, cwd: mine.folder, entry: './my-server.ts', env, execArgv: ['--import', 'tsx'] };
    await using cluster = await startCluster(options);
    expect(await ask(cluster.url)).toMatchObject({ nodeId: 'node-1' });
  });

  it('startCluster rejects with a typed error if nothing can run a TypeScript entry', async ({ skip }) => {
    if ('typescript' in process.features && process.features.typescript) skip('this Node.js runs TypeScript itself');
    using mine = project(false);
    const failure = startCluster({ nodes: 1, cwd: mine.folder, entry: './my-server.ts', env });
    await expect(failure).rejects.toBeInstanceOf(MissingPackageError);
    await expect(failure).rejects.toMatchObject({ code: 'missing_package', package: 'tsx', project: mine.folder });
  });
});

describe('faults inside a node', () => {
  it('block stops the event loop of a node until it is healed', async () => {
    await using cluster = await startCluster({ nodes: 1, entry: HTTP_NODE });
    const fault = faults.block(cluster.node('node-1'));
    await fault.inflict();
    await expect(fetch(cluster.url, { signal: AbortSignal.timeout(300) })).rejects.toThrow();
    await fault.heal();
    await until(() => ask(cluster.url));
    expect(fault.name).toBe('block node-1');
  });

  it('a blocked node can be killed and restarted', async () => {
    await using cluster = await startCluster({ nodes: 1, entry: HTTP_NODE });
    const node = cluster.node('node-1');
    await faults.block(node).inflict();
    await faults.restart(node).inflict();
    expect(await ask(cluster.url)).toMatchObject({ nodeId: 'node-1' });
  });

  it('skew sets the clock of a node wrong until it is healed', async () => {
    await using cluster = await startCluster({ nodes: 1, entry: HTTP_NODE });
    const hour = 3_600_000;
    const fault = faults.skew(cluster.node('node-1'), -hour);
    const offset = async (): Promise<readonly number[]> => {
      const { now, date } = await ask(cluster.url);
      return [now, date].map((ms) => Math.round((ms - Date.now()) / hour) + 0); // not -0
    };
    await fault.inflict();
    expect(await offset()).toEqual([-1, -1]);
    await fault.heal();
    expect(await offset()).toEqual([0, 0]);
    expect(fault.name).toBe('skew node-1 by -3600000 ms');
  });
});

describe('the backplane of startCluster', () => {
  it('the backplane redis connects the nodes, with a link of each node that can be cut', { timeout: 60_000 }, async ({ onTestFailed }) => {
    const args = ['--backplane', '{"heartbeatIntervalMs":250,"nodeTimeoutMs":2000,"redisTimeoutMs":500}'];
    await using cluster = await startCluster({ nodes: 2, backplane: 'redis', args, onTestFailed });
    const [one, two] = cluster.nodes as readonly [ClusterNode, ClusterNode];
    const known = async (node: ClusterNode) => (await node.ask<{ items: readonly unknown[]; complete: boolean }>('nodes')).complete;
    await until(async () => (await one.ask<{ items: readonly unknown[] }>('nodes')).items.length === 2);
    const cut = faults.cut(two.link);
    expect(cut.name).toBe('cut link of node-2');
    await cut.inflict();
    await until(async () => !(await known(two)), { timeoutMs: 10_000 });
    expect((await one.ask<{ backplane: string }>('health')).backplane).toBe('up');
    await cut.heal();
    await until(() => known(two), { timeoutMs: 10_000 });
    const [lease] = await cluster.redis.keys('*lease*');
    await faults.loseKey(cluster.redis, lease?.replaceAll(/[[\]?*\\]/g, '\\$&') ?? '').inflict();
    await until(async () => (await cluster.redis.keys('*lease*')).length === 2, { timeoutMs: 10_000 });
    await expect(faults.loseKey(cluster.redis, 'nothing').inflict()).rejects.toThrow('redis has no key nothing.');
  });

  it('the backplane redis-cluster connects the nodes, also after a failover', { timeout: 60_000 }, async ({ onTestFailed }) => {
    await using cluster = await startCluster({ nodes: 2, backplane: 'redis-cluster', onTestFailed });
    const [one] = cluster.nodes;
    const count = async () => (await one?.ask<{ items: readonly unknown[] }>('nodes'))?.items.length;
    await until(async () => (await count()) === 2, { timeoutMs: 10_000 });
    const before = await cluster.redisCluster.masterOf(0);
    await faults.failover(cluster.redisCluster).inflict();
    expect(await cluster.redisCluster.masterOf(0)).not.toBe(before);
    await until(async () => (await count()) === 2, { timeoutMs: 10_000 });
  });

  it('startCluster rejects several nodes with a backplane in memory', async () => {
    await expect(startCluster({ nodes: 2, backplane: 'memory' })).rejects.toThrow('Nodes are processes, which share no memory');
  });
});

describe('the balancer of startCluster', () => {
  it('the balancer round-robin gives each request to the next node, and avoids a killed one', async () => {
    await using cluster = await startCluster({ nodes: 3, entry: HTTP_NODE, balancer: 'round-robin' });
    const three = async () => {
      const names: string[] = [];
      for (let i = 0; i < 3; i++) names.push((await ask(cluster.url)).nodeId);
      return names.sort();
    };
    expect(await three()).toEqual(['node-1', 'node-2', 'node-3']);
    await cluster.node('node-2').kill();
    expect(new Set([...(await three()), ...(await three())])).toEqual(new Set(['node-1', 'node-3']));
  });

  it('the balancer sticky prefers the node of the query or the cookie', async () => {
    await using cluster = await startCluster({ nodes: 3, entry: HTTP_NODE, balancer: 'sticky' });
    for (const nodeId of ['node-1', 'node-2', 'node-3']) {
      expect((await ask(`${cluster.url}/?node=${nodeId}`)).nodeId).toBe(nodeId);
      const response = await fetch(cluster.url, { headers: { cookie: `other=1; hubline_node=${nodeId}` } });
      expect(((await response.json()) as Answer).nodeId).toBe(nodeId);
    }
    await cluster.node('node-2').kill();
    expect((await ask(`${cluster.url}/?node=node-2`)).nodeId).not.toBe('node-2');
  });

  it.each([webSockets(), serverSentEvents(), longPolling()])(
    'a client connects through the balancer sticky with $name, and reconnects after its link was cut',
    async (transport) => {
      await using cluster = await startCluster({ nodes: 2, balancer: 'sticky' });
      await using client = createHubConnection(testhub, `${cluster.url}/testhub`, {
        transports: [transport],
        reconnect: { firstMs: 20, maxMs: 100 },
      });
      await client.start();
      expect(await client.invoke.Echo('hello')).toBe('hello');
      const lost = new Promise((resolve) => client.once('reconnecting', resolve));
      const cut = faults.cut(cluster.balancerLink);
      await cut.inflict();
      await lost;
      await cut.heal();
      await until(() => client.state.name === 'connected', { timeoutMs: 10_000 });
      expect(await client.invoke.Echo('again')).toBe('again');
    },
  );
});
