import * as client from '@hubline/client';
import { messagePack } from '@hubline/client/messagepack';
import { redisBackplane } from '@hubline/redis';
import { startRedis, type RedisServer } from '@hubline/testing/cluster';
import { startConformanceServer, type ConformanceServer } from '@hubline/testing/conformance-server';
import type { Peer, PeerConnection } from '@hubline/testing/interop';
import * as signalR from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import { afterAll, beforeAll, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { hublinePeer } from '../hubline-peer.ts';
import { officialPeer } from '../official-peer.ts';
import { DotnetPeer } from './dotnet-peer.ts';

/** Two Hubline nodes on one Redis, and clients of three libraries: one of each on each node. */
interface TestCluster extends AsyncDisposable {
  readonly connections: readonly PeerConnection[];
  readonly ids: readonly string[];
  /** The texts that each client has received. */
  readonly received: readonly (readonly unknown[])[];
  /** Runs an operation of the server API on the first or second node. */
  control(node: 0 | 1, op: string, ...args: readonly unknown[]): Promise<unknown>;
}

let redis: RedisServer;
let dotnet: DotnetPeer;
beforeAll(async () => {
  redis = await startRedis();
  dotnet = new DotnetPeer();
});
afterAll(async () => {
  await dotnet[Symbol.asyncDispose]();
  await redis[Symbol.asyncDispose]();
});

let clusters = 0;

async function startCluster(): Promise<TestCluster> {
  const prefix = `dotnet-${++clusters}`;
  const start = (): Promise<ConformanceServer> => startConformanceServer({ port: 0, backplane: redisBackplane(redis.url, { prefix }) });
  const servers = [await start(), await start()] as const;
  const peers: readonly Peer[] = [
    dotnet,
    officialPeer({ ...signalR, MessagePackHubProtocol }),
    hublinePeer({ ...client, messagePack, WebSocket: WebSocket as never }),
  ];
  const received: unknown[][] = [];
  const connections: PeerConnection[] = [];
  for (const { url } of servers) {
    for (const [at, peer] of peers.entries()) {
      const connection = peer.connect(`${url}/testhub?user=user-${connections.length}`, {
        transports: ['WebSockets'],
        protocol: at === 1 ? 'messagepack' : 'json',
      });
      const texts: unknown[] = [];
      const number = connections.length;
      connection.on('Message', (text) => texts.push(text));
      connection.on('Result', () => number);
      await connection.start();
      connections.push(connection);
      received.push(texts);
    }
  }
  return {
    connections,
    received,
    ids: connections.map(({ connectionId }) => String(connectionId)),
    async control(node, op, ...args) {
      const response = await fetch(`${servers[node].url}/control`, { method: 'POST', body: JSON.stringify({ op, args }) });
      const { value, error } = (await response.json()) as { readonly value?: unknown; readonly error?: { readonly message: string } };
      if (error) throw new Error(error.message);
      return value;
    },
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((connection) => connection.stop()));
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

it('a message to a group reaches its .NET, JavaScript and Hubline clients on both nodes', async () => {
  await using cluster = await startCluster();
  // The members are added on the other node than theirs, and the last client is no member.
  for (const [at, connection] of cluster.ids.slice(0, 5).entries())
    await cluster.control(at < 3 ? 1 : 0, 'groups.add', { connection }, 'g');
  await cluster.control(0, 'send', { group: 'g' }, 'Message', ['hello']);
  await vi.waitFor(() => expect(cluster.received.slice(0, 5)).toEqual(Array(5).fill(['hello'])));
  await cluster.control(0, 'send', { all: true }, 'Message', ['last']);
  await vi.waitFor(() => expect(cluster.received[5]).toEqual(['last']));
});

it('a message to a user reaches the client of that user on the other node', async () => {
  await using cluster = await startCluster();
  for (const user of [0, 1, 2]) await cluster.control(1, 'send', { user: `user-${user}` }, 'Message', [`for user ${user}`]);
  await vi.waitFor(() => expect(cluster.received).toEqual([['for user 0'], ['for user 1'], ['for user 2'], [], [], []]));
});

it('a node invokes clients of three libraries on the other node', async () => {
  await using cluster = await startCluster();
  const results = await Promise.all(cluster.ids.slice(0, 3).map((connection) => cluster.control(1, 'invoke', { connection }, 'Result')));
  expect(results).toEqual([0, 1, 2]);
});

it('invokeAll returns the result of each client of three libraries on two nodes', async () => {
  await using cluster = await startCluster();
  const answer = await cluster.control(0, 'invokeAll', { all: true }, 'Result');
  const { items, complete } = answer as { readonly items: readonly { readonly value: unknown }[]; readonly complete: boolean };
  expect([items.map(({ value }) => value).toSorted(), complete]).toEqual([[0, 1, 2, 3, 4, 5], true]);
});

it('presence counts the clients of three libraries on two nodes', async () => {
  await using cluster = await startCluster();
  await vi.waitFor(async () =>
    expect(await cluster.control(1, 'presence.count', { all: true })).toMatchObject({ value: 6, complete: true }),
  );
});

it('each client streams from its node while messages arrive from the other node', async () => {
  await using cluster = await startCluster();
  const streams = cluster.connections.map(
    (connection) =>
      new Promise<readonly unknown[]>((resolve, reject) => {
        const items: unknown[] = [];
        connection.stream({ next: (item) => items.push(item), complete: () => resolve(items), error: reject }, 'StreamNumbers', 5);
      }),
  );
  await cluster.control(0, 'send', { all: true }, 'Message', ['meanwhile']);
  expect(await Promise.all(streams)).toEqual(Array(6).fill([0, 1, 2, 3, 4]));
  await vi.waitFor(() => expect(cluster.received).toEqual(Array(6).fill(['meanwhile'])));
});
