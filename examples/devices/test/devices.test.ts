import { startCluster, startRedis, type Cluster, type RedisServer } from '@hubline/testing/cluster';
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, onTestFailed, test as base } from 'vitest';
import type { Departure, FleetMember } from '../src/fleet.ts';
import { SimulatedDevice } from '../src/simulated-device.ts';

interface Fixtures {
  readonly redis: RedisServer;
  /** Three nodes, with two devices each. */
  readonly service: Cluster;
  /** Two nodes. */
  readonly dashboard: Cluster;
  readonly devices: readonly SimulatedDevice[];
  /** The messages that each device received. */
  readonly announcements: readonly string[][];
}

interface FleetReport {
  readonly nodes: readonly { readonly nodeId: string; readonly app: string; readonly accepts: boolean }[];
  readonly online: readonly FleetMember[];
  readonly departures: readonly Departure[];
}

const source = (name: string): URL => new URL(`../src/${name}.ts`, import.meta.url);

const application = (name: string, nodes: number, redis: RedisServer): Promise<Cluster> =>
  startCluster({
    nodes,
    entry: source(`${name}-node`),
    redis,
    args: (index) => ['--node-id', `${name}-${index + 1}`],
    onTestFailed,
  });

const siteOf = (index: number): string => (index < 4 ? 'Köln' : 'Porto');

const test = base.extend<{ world: Fixtures }>({
  // Vitest finds the dependencies of a fixture in this pattern.
  world: async ({}, use) => {
    await using redis = await startRedis({ onTestFailed });
    await using service = await application('devices', 3, redis);
    await using dashboard = await application('dashboard', 2, redis);
    const announcements: string[][] = [];
    const devices = [...service.nodes, ...service.nodes].map(({ url }, index) => {
      const received = (announcements[index] = [] as string[]);
      return new SimulatedDevice({ id: `boiler ${index + 1}`, site: siteOf(index), url, announced: (text) => received.push(text) });
    });
    try {
      await Promise.all(devices.map((device) => device.start()));
      await use({ redis, service, dashboard, devices, announcements });
    } finally {
      await Promise.all(devices.map((device) => device[Symbol.asyncDispose]()));
    }
  },
});

const reportOf = async (url: string): Promise<FleetReport> => (await fetch(`${url}/fleet.json`)).json() as Promise<FleetReport>;

const onlineAt = async (url: string): Promise<readonly string[]> =>
  (await reportOf(url)).online.map(({ device, nodeId, sites }) => `${device}, ${sites.join()}, ${nodeId}`);

const ALL_DEVICES = [0, 1, 2, 3, 4, 5].map((index) => `boiler ${index + 1}, ${siteOf(index)}, devices-${(index % 3) + 1}`);

test('every node of the dashboard shows the devices online and the nodes of all applications', async ({ world: { dashboard } }) => {
  for (const { url } of dashboard.nodes) {
    await expect.poll(() => onlineAt(url)).toEqual(ALL_DEVICES);
    await expect
      .poll(async () => (await reportOf(url)).online.every(({ celsius }) => (celsius ?? 0) > 0), { message: 'the reported temperatures' })
      .toBe(true);
    const nodes = (await reportOf(url)).nodes.map(({ nodeId, app, accepts }) => `${nodeId}, ${app}, ${accepts}`);
    expect(nodes.sort()).toEqual([
      ...['dashboard-1, dashboard, false', 'dashboard-2, dashboard, false'],
      ...['devices-1, devices, true', 'devices-2, devices, true', 'devices-3, devices, true'],
    ]);
  }
});

test('the dashboard reboots a device of another application and receives its result', async ({ world: { dashboard, devices } }) => {
  const reboot = async (url: string, device: string): Promise<unknown> =>
    (await fetch(`${url}/devices/${encodeURIComponent(device)}/reboot`, { method: 'POST' })).json();
  const boots = await Promise.all(dashboard.nodes.flatMap(({ url }) => devices.slice(0, 3).map(({ id }) => reboot(url, id))));
  expect(boots.slice(0, 3).map((one, index) => [one, boots[index + 3]])).toEqual(
    Array.from({ length: 3 }, () => expect.arrayContaining([{ boots: 2 }, { boots: 3 }]) as unknown),
  );
  for (const { url } of dashboard.nodes) expect(await reboot(url, 'nobody')).toMatchObject({ code: 'no_client_responded' });
});

test('the devices of a node that is killed leave the list', async ({ world: { service, dashboard } }) => {
  for (const { url } of dashboard.nodes) await expect.poll(() => onlineAt(url)).toEqual(ALL_DEVICES);
  await service.node('node-2').kill();
  for (const { url } of dashboard.nodes) {
    await expect.poll(() => onlineAt(url)).toEqual(ALL_DEVICES.filter((line) => !line.endsWith('devices-2')));
    const { nodes, departures } = await reportOf(url);
    expect(departures.filter(({ nodeId }) => nodeId === 'devices-2').map(({ device, reason }) => `${device}: ${reason}`)).toEqual(
      expect.arrayContaining(['boiler 2: node_lost', 'boiler 5: node_lost']),
    );
    expect(nodes.map(({ nodeId }) => nodeId)).not.toContain('devices-2');
  }
});

test('a job sends to a site and to a device, and ends', async ({ world: { redis, announcements } }) => {
  const announce = (...args: readonly string[]) =>
    promisify(execFile)(process.execPath, [fileURLToPath(source('announce')), '--redis', redis.url, ...args], { timeout: 15_000 });
  await announce('--site', 'Köln', 'Doors close at six.');
  await announce('--device', 'boiler 6', 'You are the last one.');
  await expect
    .poll(() => announcements)
    .toEqual([...Array.from({ length: 4 }, () => ['Doors close at six.']), [], ['You are the last one.']]);
  await redis.stop();
  await expect(announce('Is anybody there?')).rejects.toMatchObject({
    code: 1,
    stderr: expect.stringContaining('backplane_unavailable') as string,
  });
});
