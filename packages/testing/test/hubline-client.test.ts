import { startConformanceServer } from '@hubline/testing/conformance-server';
import { COMBINATIONS, World } from '@hubline/testing/interop';
import { describe, it } from 'vitest';
import { hublinePeer as peer } from './hubline-peer.ts';

/** What our client does not do, and why. */
const DIFFERENCES: Readonly<Record<string, string>> = {
  'keeps the cookies of the negotiation, and not those that are over':
    'the fetch of Node keeps no cookies; pass one that does (the hint in the query needs none)',
};

for (const { transport, protocol, behaviours } of COMBINATIONS) {
  describe(`${peer.name} ${peer.version}, Node, ${transport}, ${protocol}`, () => {
    for (const { name, run } of behaviours) {
      const differs = name in DIFFERENCES;
      it(differs ? `does not: ${name}` : name, { fails: differs }, async () => {
        await using server = await startConformanceServer({ port: 0 });
        await using world = new World({ url: server.url, peer, transport, protocol });
        await run(world);
      });
    }
  });
}
