import { startConformanceServer } from '@hubline/testing/conformance-server';
import { describe, expect, it } from 'vitest';
import { startAspNetServer } from './aspnet-server.ts';
import { DotnetProgram } from './program.ts';

const SERVERS = { Hubline: () => startConformanceServer({ port: 0 }), 'ASP.NET Core': () => startAspNetServer() };

describe.each(Object.entries(SERVERS))('%s', (_name, start) => {
  it.each(['WebSockets', 'ServerSentEvents', 'LongPolling'])(
    'answers the handshake and a call of a C# program without a SignalR package over %s',
    async (transport) => {
      await using server = await start();
      const records: unknown[] = [];
      await using program = new DotnetProgram('Raw', [transport, `${server.url}/testhub`], (line) => records.push(JSON.parse(line)));
      await program.ended();
      expect(records).toEqual([{}, { type: 3, invocationId: '1', result: 'by hand' }]);
    },
  );
});
