import * as signalR from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import { startConformanceServer } from '@hubline/testing/conformance-server';
import { World } from '@hubline/testing/interop';
import { describeMatrix } from './matrix.ts';
import { OFFICIAL_IN_NODE, officialPeer } from './official-peer.ts';

const peer = officialPeer({ ...signalR, MessagePackHubProtocol });

describeMatrix({
  peer,
  where: 'Node',
  differences: OFFICIAL_IN_NODE,
  async run(behaviour, on) {
    await using server = await startConformanceServer({ port: 0 });
    await using world = new World({ url: server.url, peer, ...on });
    await behaviour.run(world);
  },
});
