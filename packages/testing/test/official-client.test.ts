import * as signalR from '@microsoft/signalr';
import { MessagePackHubProtocol } from '@microsoft/signalr-protocol-msgpack';
import { startConformanceServer } from '@hubline/testing/conformance-server';
import { World } from '@hubline/testing/interop';
import { describeMatrix } from './matrix.ts';
import { officialPeer } from './official-peer.ts';

const peer = officialPeer({ ...signalR, MessagePackHubProtocol });

describeMatrix({
  peer,
  where: 'Node',
  differences: [
    {
      behaviour: 'sends no cookies if withCredentials is false',
      why: 'in Node it stores and sends cookies also if withCredentials is false',
    },
  ],
  async run(behaviour, on) {
    await using server = await startConformanceServer({ port: 0 });
    await using world = new World({ url: server.url, peer, ...on });
    await behaviour.run(world);
  },
});
