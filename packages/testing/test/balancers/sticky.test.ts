import { execFileSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { HttpTransportType, HubConnectionBuilder, LogLevel } from '@microsoft/signalr';
import { createHubConnection, longPolling, serverSentEvents, webSockets } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer, memoryBackplane, type HubServer } from '@hubline/server';
import { startBalancer, until } from '@hubline/testing';
import { startCluster } from '@hubline/testing/cluster';
import { expect, it } from 'vitest';

interface Where {
  where(): Promise<string>;
  echo(text: string): Promise<string>;
  shout(text: string): Promise<void>;
}
interface Heard {
  received(text: string): void;
}
const where = defineHub<Where, Heard>('where');

const BALANCERS = ['nginx', 'haproxy'] as const;
const TRANSPORTS = ['WebSockets', 'ServerSentEvents', 'LongPolling'] as const;

const configurationOf = (kind: (typeof BALANCERS)[number]): string =>
  fileURLToPath(new URL(`../../../../deploy/${kind === 'nginx' ? 'nginx.conf' : 'haproxy.cfg'}`, import.meta.url));
const programOf = (kind: string): string => JSON.parse(execFileSync(process.execPath, [PROGRAMS, kind], { encoding: 'utf8' })) as string;

/** Starts three nodes behind a balancer. */
async function behind(kind: (typeof BALANCERS)[number]) {
  const backplane = memoryBackplane();
  const servers: HubServer[] = [];
  const ports: number[] = [];
  for (const nodeId of ['node-1', 'node-2', 'node-3']) {
    const server = createHubServer({ nodeId, backplane, trustProxy: true, timeouts: { closeMs: 200, disconnectMs: 2000 } });
    server.hub(where, {
      path: '/hubs/where',
      methods: {
        where: async () => nodeId,
        echo: async (_ctx, text) => text,
        shout: async (ctx, text) => void ctx.clients.all.send.received(text),
      },
    });
    servers.push(server);
    ports.push(await server.listen(0, '127.0.0.1'));
  }
  const balancer = await startBalancer(kind, { program: programOf(kind), configuration: configurationOf(kind), nodes: ports });
  return {
    url: `${balancer.url}/hubs/where`,
    servers,
    async [Symbol.asyncDispose]() {
      await Promise.all(servers.map((server) => server.close()));
      await balancer[Symbol.asyncDispose]();
    },
  };
}

it.each(BALANCERS)('startCluster starts nodes behind %s', async (kind) => {
  const [configuration, program] = [configurationOf(kind), programOf(kind)];
  await using cluster = await startCluster({ nodes: 3, balancer: { kind, configuration, program } });
  for (const nodeId of ['node-1', 'node-2', 'node-3']) {
    const response = await fetch(`${cluster.url}/deployment?node=${nodeId}`);
    expect(await response.json()).toMatchObject({ nodeId });
  }
});

const PROGRAMS = fileURLToPath(new URL('../../../../scripts/program-path.mjs', import.meta.url));

/** The official client, which the cookie keeps at its node. */
const official = (url: string, transport: HttpTransportType) =>
  new HubConnectionBuilder().withUrl(url, { transport }).configureLogging(LogLevel.None).build();

const OURS = { WebSockets: webSockets(), ServerSentEvents: serverSentEvents(), LongPolling: longPolling() };

for (const kind of BALANCERS) {
  for (const transport of TRANSPORTS) {
    it(`${kind} keeps the Hubline client at its node over ${transport} without a cookie, and moves it to another node when the node is gone`, async () => {
      await using world = await behind(kind);
      const clients = await Promise.all(
        Array.from({ length: 6 }, async () => {
          const received: string[] = [];
          const client = createHubConnection(where, world.url, {
            transports: [OURS[transport]],
            receiver: { received: (text) => void received.push(text) },
            // Neither fetch nor WebSocket of Node stores cookies.
            reconnect: { firstMs: 50, maxMs: 500 },
          });
          await client.start();
          return { client, received };
        }),
      );
      const homes = new Map<(typeof clients)[number], string>();
      for (const each of clients) {
        const node = await each.client.invoke.where();
        homes.set(each, node);
        for (let i = 0; i < 5; i++) expect(await each.client.invoke.where()).toBe(node);
        expect(await each.client.invoke.echo('x'.repeat(20_000))).toHaveLength(20_000);
      }
      expect(new Set(homes.values()).size).toBeGreaterThan(1);

      const gone = [...homes.values()][0]!;
      const stayed = clients.filter((each) => homes.get(each) !== gone);
      const moved = clients.filter((each) => homes.get(each) === gone);
      const states = stayed.map(({ client }) => client.state);
      const before = moved.map(({ client }) => client.state);
      await world.servers[Number(gone.at(-1)) - 1]?.close();
      await until(() => moved.every(({ client }, i) => client.state.name === 'connected' && client.state !== before[i]));
      for (const { client } of moved) expect(await client.invoke.where()).not.toBe(gone);
      expect(stayed.map(({ client }) => client.state)).toEqual(states);
      await clients[0]?.client.invoke.shout('hello');
      for (const { received } of clients) await until(() => received.includes('hello'));
      await Promise.all(clients.map(({ client }) => client.stop()));
    });

    it(`${kind} keeps the official client at its node over ${transport}`, async () => {
      await using world = await behind(kind);
      const clients = await Promise.all(
        Array.from({ length: 6 }, async () => {
          const client = official(world.url, HttpTransportType[transport]);
          const received: string[] = [];
          client.on('received', (text: string) => void received.push(text));
          await client.start();
          return { client, received };
        }),
      );
      const nodes = new Set<string>();
      for (const { client } of clients) {
        const node = await client.invoke<string>('where');
        nodes.add(node);
        for (let i = 0; i < 5; i++) expect(await client.invoke('where')).toBe(node);
        expect(await client.invoke('echo', 'x'.repeat(20_000))).toHaveLength(20_000);
      }
      expect(nodes.size).toBeGreaterThan(1);
      await clients[0]?.client.invoke('shout', 'hello');
      for (const { received } of clients) await until(() => received.includes('hello'));
      await Promise.all(clients.map(({ client }) => client.stop()));
    });
  }

  it(`${kind} moves the clients of a draining node to other nodes at the first attempt, and new clients too`, async () => {
    await using world = await behind(kind);
    const open = async (transport: (typeof TRANSPORTS)[number]) => {
      const client = createHubConnection(where, world.url, { transports: [OURS[transport]], reconnect: { firstMs: 50, maxMs: 500 } });
      await client.start();
      return client;
    };
    const clients = await Promise.all(TRANSPORTS.flatMap((transport) => [open(transport), open(transport), open(transport)]));
    const homes = await Promise.all(clients.map((client) => client.invoke.where()));
    const leaving = homes[0]!;
    const moved = clients.filter((_client, i) => homes[i] === leaving);
    const before = moved.map(({ state }) => state);
    const drained = world.servers[Number(leaving.at(-1)) - 1]?.drain({ spreadMs: 2000 });
    // The draining node soon has the fewest connections, so a balancer that ignored its state would send all clients there.
    for (let i = 0; i < 4; i++) {
      const late = await open('LongPolling');
      expect(await late.invoke.where()).not.toBe(leaving);
      await late.stop();
      const theirs = official(world.url, HttpTransportType.WebSockets);
      await theirs.start();
      expect(await theirs.invoke('where')).not.toBe(leaving);
      await theirs.stop();
    }
    await drained;
    await until(() => moved.every((client, i) => client.state.name === 'connected' && client.state !== before[i]));
    for (const client of clients) expect(await client.invoke.where()).not.toBe(leaving);
    await Promise.all(clients.map((client) => client.stop()));
  });

  it(`${kind} ends the poll of a client that is gone, so that the node ends its connection`, async () => {
    await using world = await behind(kind);
    const gone = new AbortController();
    const leaving: typeof fetch = (input, init) =>
      fetch(input, { ...init, signal: AbortSignal.any([gone.signal, ...(init?.signal ? [init.signal] : [])]) });
    const client = createHubConnection(where, world.url, { transports: [longPolling()], fetch: leaving, reconnect: false });
    await client.start();
    const connections = () => world.servers.reduce((sum, server) => sum + server.health().connections, 0);
    expect(connections()).toBe(1);
    gone.abort();
    await until(() => connections() === 0, { timeoutMs: 15_000 });
  });

  it(`${kind} routes a request with a node hint to that node without a cookie`, async () => {
    await using world = await behind(kind);
    for (const node of ['node-1', 'node-2', 'node-3', 'node-2']) {
      const response = await fetch(`${world.url}/negotiate?negotiateVersion=1&node=${node}`, { method: 'POST' });
      expect(await response.json()).toMatchObject({ affinity: { node } });
      expect(response.headers.get('set-cookie')).toContain(`hubline_node=${node}`);
    }
  });

  it(`${kind} routes a request to another node if the hinted node is gone`, async () => {
    await using world = await behind(kind);
    await world.servers[1]?.close();
    const headers = { cookie: 'hubline_node=node-2' };
    const byCookie = await fetch(`${world.url}/negotiate?negotiateVersion=1`, { method: 'POST', headers });
    const byQuery = await fetch(`${world.url}/negotiate?negotiateVersion=1&node=node-2`, { method: 'POST' });
    for (const response of [byCookie, byQuery]) {
      const { affinity } = (await response.json()) as { affinity: { node: string } };
      expect(['node-1', 'node-3']).toContain(affinity.node);
    }
  });

  it(`${kind} returns 404 for a request to a connection whose node is gone`, async () => {
    await using world = await behind(kind);
    const negotiated = await fetch(`${world.url}/negotiate?negotiateVersion=1&node=node-2`, { method: 'POST' });
    const { connectionToken } = (await negotiated.json()) as { connectionToken: string };
    await world.servers[1]?.close();
    const poll = await fetch(`${world.url}?id=${connectionToken}&node=node-2`);
    expect([poll.status, await poll.text(), poll.headers.get('hubline-code')]).toEqual([404, 'No Connection with that ID', 'wrong_node']);
  });
}
