import * as client from '@hubline/client';
import { messagePack } from '@hubline/client/messagepack';
import { startConformanceServer } from '@hubline/testing/conformance-server';
import { World } from '@hubline/testing/interop';
import { WebSocket } from 'ws';
import { HUBLINE_IN_NODE, hublinePeer } from './hubline-peer.ts';
import { describeMatrix } from './matrix.ts';

const peer = hublinePeer({ ...client, messagePack, WebSocket: WebSocket as never });

describeMatrix({
  peer,
  where: 'Node',
  differences: HUBLINE_IN_NODE,
  async run(behaviour, on) {
    await using server = await startConformanceServer({ port: 0 });
    await using world = new World({ url: server.url, peer, ...on });
    await behaviour.run(world);
  },
});
