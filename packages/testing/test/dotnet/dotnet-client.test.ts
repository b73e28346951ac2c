import { startConformanceServer } from '@hubline/testing/conformance-server';
import { World } from '@hubline/testing/interop';
import { afterAll } from 'vitest';
import { describeMatrix } from '../matrix.ts';
import { DOTNET_CLIENT_DIFFERENCES } from './differences.ts';
import { DOTNET_CLIENT, DotnetPeer } from './dotnet-peer.ts';

const peers: DotnetPeer[] = [];
afterAll(() => Promise.all(peers.map((peer) => peer[Symbol.asyncDispose]())));

for (const json of ['json', 'newtonsoft'] as const) {
  let shared: DotnetPeer | undefined;
  const peer = (): DotnetPeer => {
    if (!shared) peers.push((shared = new DotnetPeer({ json })));
    return shared;
  };
  describeMatrix({
    peer: DOTNET_CLIENT,
    where: json === 'json' ? '.NET → Hubline' : '.NET, Newtonsoft.Json → Hubline',
    differences: DOTNET_CLIENT_DIFFERENCES,
    ...(json === 'newtonsoft' ? { protocols: ['json'] } : {}),
    async run(behaviour, on) {
      await using server = await startConformanceServer({ port: 0, logger: SILENT });
      await using world = new World({ url: server.url, peer: peer(), ...on });
      await behaviour.run(world);
    },
  });
}

/** Several behaviours make methods fail. */
const SILENT = { info: ignore, warn: ignore, error: ignore };
function ignore(): void {}
