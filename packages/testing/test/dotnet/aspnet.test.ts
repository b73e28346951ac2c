import * as client from '@hubline/client';
import { messagePack } from '@hubline/client/messagepack';
import { World, type Peer } from '@hubline/testing/interop';
import * as signalR from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import { afterAll, beforeAll } from 'vitest';
import { WebSocket } from 'ws';
import { HUBLINE_IN_NODE, hublinePeer } from '../hubline-peer.ts';
import { describeMatrix, type Difference } from '../matrix.ts';
import { OFFICIAL_IN_NODE, officialPeer } from '../official-peer.ts';
import { startAspNetServer, type AspNetServer } from './aspnet-server.ts';
import { ASPNET_DIFFERENCES, DOTNET_CLIENT_DIFFERENCES } from './differences.ts';
import { DOTNET_CLIENT, DotnetPeer } from './dotnet-peer.ts';

let server: AspNetServer;
beforeAll(async () => {
  server = await startAspNetServer();
});
afterAll(() => server[Symbol.asyncDispose]());

let dotnet: DotnetPeer | undefined;
afterAll(() => dotnet?.[Symbol.asyncDispose]());

const hubline = hublinePeer({ ...client, messagePack, WebSocket: WebSocket as never });
const official = officialPeer({ ...signalR, MessagePackHubProtocol });

interface Client {
  readonly peer: Pick<Peer, 'name' | 'version'>;
  readonly connect: () => Peer;
  readonly where: string;
  readonly differences: readonly Difference[];
}

const CLIENTS: readonly Client[] = [
  { peer: hubline, connect: () => hubline, where: 'Node → ASP.NET Core', differences: HUBLINE_IN_NODE },
  { peer: official, connect: () => official, where: 'Node → ASP.NET Core', differences: OFFICIAL_IN_NODE },
  {
    peer: DOTNET_CLIENT,
    connect: () => (dotnet ??= new DotnetPeer()),
    where: '.NET → ASP.NET Core',
    differences: DOTNET_CLIENT_DIFFERENCES,
  },
];

for (const { peer, connect, where, differences } of CLIENTS) {
  describeMatrix({
    peer,
    where,
    differences: [...differences, ...ASPNET_DIFFERENCES],
    async run(behaviour, on) {
      await using world = new World({ url: server.url, peer: connect(), ...on });
      await behaviour.run(world);
    },
  });
}
