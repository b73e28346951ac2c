import { startConformanceServer } from '@hubline/testing/conformance-server';
import { COMBINATIONS, World } from '@hubline/testing/interop';
import { describe, it } from 'vitest';
import { officialPeer as peer } from './official-peer.ts';

for (const { transport, protocol, behaviours } of COMBINATIONS) {
  describe(`${peer.name} ${peer.version}, Node, ${transport}, ${protocol}`, () => {
    for (const { name, run } of behaviours) {
      it(name, async () => {
        await using server = await startConformanceServer({ port: 0 });
        await using world = new World({ url: server.url, peer, transport, protocol });
        await run(world);
      });
    }
  });
}
