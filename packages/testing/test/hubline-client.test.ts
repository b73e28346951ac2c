import * as client from '@hubline/client';
import { messagePack } from '@hubline/client/messagepack';
import { startConformanceServer } from '@hubline/testing/conformance-server';
import { World } from '@hubline/testing/interop';
import { WebSocket } from 'ws';
import { hublinePeer } from './hubline-peer.ts';
import { describeMatrix } from './matrix.ts';

const peer = hublinePeer({ ...client, messagePack, WebSocket: WebSocket as never });

describeMatrix({
  peer,
  where: 'Node',
  differences: [
    {
      behaviour: 'keeps the cookies of the negotiation, and not those that are over',
      why: 'the fetch of Node keeps none: pass one that does; the hint that leads back to a node is in the query too, and needs none',
    },
  ],
  async run(behaviour, on) {
    await using server = await startConformanceServer({ port: 0 });
    await using world = new World({ url: server.url, peer, ...on });
    await behaviour.run(world);
  },
});
