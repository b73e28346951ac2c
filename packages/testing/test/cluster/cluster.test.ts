import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort, until } from '@hubline/testing';
import { faults, startCluster, startRedis } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';
import { isAlive } from './processes.ts';

const FAKE_NODE = new URL('./fake-node.ts', import.meta.url);

it('startCluster starts nodes that answer, each in a process of its own', async () => {
  await using cluster = await startCluster({ nodes: 3 });
  expect(cluster.nodes.map(({ nodeId }) => nodeId)).toEqual(['node-1', 'node-2', 'node-3']);
  for (const node of cluster.nodes) {
    expect(await node.ask('health')).toMatchObject({ nodeId: node.nodeId, status: 'ok' });
    expect(node.announcement).toMatchObject({ nodeId: node.nodeId });
  }
  expect(new Set([process.pid, ...cluster.nodes.map(({ pid }) => pid)]).size).toBe(4);
  expect(cluster.node('node-2')).toBe(cluster.nodes[1]);
  expect(() => cluster.node('node-4')).toThrow('There is no node named node-4.');
});

it('ask rejects with the error of the node and its code', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const [node] = cluster.nodes;
  await expect(node?.ask('presence.groupsOf', ['nobody'])).rejects.toMatchObject({ code: 'connection_gone' });
  await expect(node?.ask('health', [], { hub: 'none' })).rejects.toThrow("There is no hub 'none'");
});

it('startCluster passes the nodeId, port, Redis, arguments and environment to the entry', async () => {
  await using redis = await startRedis();
  await using cluster = await startCluster({
    nodes: 2,
    entry: FAKE_NODE,
    redis,
    args: (index) => ['--extra', `for ${index}`],
    env: { FAKE_NODE_SAYS: 'hello' },
    execArgv: ['--title=fake-node'],
  });
  for (const [index, node] of cluster.nodes.entries()) {
    expect(node.announcement).toMatchObject({
      args: ['--port', String(node.port), '--node-id', node.nodeId, '--redis', redis.url, '--extra', `for ${index}`],
      says: 'hello',
      title: 'fake-node',
    });
  }
});

it('kill ends a frozen node, and restart starts it on the same port', async () => {
  await using cluster = await startCluster({ nodes: 2 });
  const [one, two] = cluster.nodes;
  if (!one || !two) throw new Error('Two nodes.');
  const { pid, url } = one;
  one.freeze();
  await one.kill();
  expect(isAlive(pid)).toBe(false);
  expect(one.isRunning).toBe(false);
  await expect(one.ask('health')).rejects.toThrow('fetch failed');
  await one.restart();
  expect(one.pid).not.toBe(pid);
  expect(one.url).toBe(url);
  expect(await one.ask('health')).toMatchObject({ nodeId: 'node-1' });
  expect(isAlive(two.pid)).toBe(true);
  await expect(one.start()).rejects.toThrow('node-1 runs already.');
});

it('a frozen node does not answer until it is thawed', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const [node] = cluster.nodes;
  node?.freeze();
  await expect(node?.ask('health', [], { timeoutMs: 200 })).rejects.toMatchObject({ name: 'TimeoutError' });
  node?.thaw();
  expect(await node?.ask('health')).toMatchObject({ status: 'ok' });
});

it('stop ends a node by SIGTERM, and kills the processes that it started', async () => {
  await using cluster = await startCluster({ nodes: 1, entry: FAKE_NODE });
  const [node] = cluster.nodes;
  if (!node) throw new Error('One node.');
  const { child } = node.announcement;
  expect(isAlive(child as number)).toBe(true);
  await node.stop();
  expect(node.log).toContain('ended in order');
  await expect.poll(() => isAlive(child as number)).toBe(false);
});

it('disposing of a cluster leaves no process and no file, whatever the state of its nodes', async () => {
  const cluster = await startCluster({ nodes: 3, entry: FAKE_NODE });
  const [one, two, three] = cluster.nodes;
  one?.freeze();
  await two?.kill();
  const pids = [one?.pid, two?.pid, three?.pid, three?.announcement.child as number];
  const folder = three?.announcement.folder as string;
  expect(existsSync(folder)).toBe(true);
  await cluster[Symbol.asyncDispose]();
  await expect.poll(() => pids.filter(isAlive)).toEqual([]);
  expect(existsSync(folder)).toBe(false);
  await cluster[Symbol.asyncDispose](); // a second time has no effect
});

it('startCluster rejects with the output of a node that does not become ready', async () => {
  const failure = startCluster({ nodes: 2, entry: FAKE_NODE, args: (index) => (index === 1 ? ['--fail'] : []) });
  await expect(failure).rejects.toThrow(/node-2 is not ready: .*ended with code 3\nThis node fails\./s);
  const silence = startCluster({ nodes: 1, entry: FAKE_NODE, args: ['--silent'], startedMs: 1000 });
  await expect(silence).rejects.toThrow(/node-1 is not ready: .*1000 ms/s);
});

it('startCluster uses another port if the first one was taken meanwhile', async () => {
  const taken = await freePort();
  await using cluster = await startCluster({ nodes: 1, entry: FAKE_NODE, args: ['--lose-first', String(taken)] });
  expect(cluster.nodes[0]?.log).toContain('EADDRINUSE');
});

it('startCluster keeps the logs of all runs in the given folder, and prints their ends when the test fails', async () => {
  const logs = mkdtempSync(join(tmpdir(), 'hubline-logs-'));
  let print = (): void => undefined;
  const cluster = await startCluster({ nodes: 1, entry: FAKE_NODE, logs, onTestFailed: (given) => (print = given) });
  await cluster.nodes[0]?.restart();
  await cluster[Symbol.asyncDispose]();
  const kept = readFileSync(join(logs, 'node-1.log'), 'utf8');
  expect(kept.match(/"url"/g)).toHaveLength(2);
  const { write } = process.stderr;
  let printed = '';
  process.stderr.write = (text) => ((printed += String(text)), true);
  try {
    print();
  } finally {
    process.stderr.write = write;
    rmSync(logs, { recursive: true });
  }
  expect(printed).toContain(kept);
  expect(printed).toContain('node-1.log');
});

it('faults of a node are inflicted and healed', async () => {
  await using cluster = await startCluster({ nodes: 1 });
  const [node] = cluster.nodes;
  if (!node) throw new Error('One node.');
  for (const fault of [faults.freeze(node), faults.kill(node), faults.stop(node)]) {
    await fault.heal(); // has no effect without a fault
    await fault.inflict();
    await expect(node.ask('health', [], { timeoutMs: 200 }), fault.name).rejects.toThrow();
    await fault.heal();
    await until(() => node.ask('health'));
  }
  expect(faults.freeze(node).name).toBe('freeze node-1');
});
