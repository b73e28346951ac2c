import { readFileSync } from 'node:fs';
import { createHubConnection } from '@hubline/client';
import { freePort, until } from '@hubline/testing';
import * as signalR from '@microsoft/signalr';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { chat, server } from './example-server.ts';
import { DotnetProgram } from './program.ts';

const textOf = (path: string): string => readFileSync(new URL(`../../../../${path}`, import.meta.url), 'utf8');

it.each([
  ['cs', 'interop/dotnet/Example/Program.cs'],
  ['ts', 'packages/testing/test/dotnet/example-server.ts'],
])('docs/from-signalr.md shows the example in %s as it is run', (language, path) => {
  expect(textOf('docs/from-signalr.md')).toContain(`\`\`\`${language}\n${textOf(path)}\`\`\``);
});

describe.each(['C#', 'TypeScript'])('the example in %s', (language) => {
  let url: string;
  let program: DotnetProgram | undefined;
  beforeAll(async () => {
    const port = await freePort();
    url = `http://127.0.0.1:${port}/hubs/chat`;
    if (language === 'TypeScript') return void (await server.listen(port, '127.0.0.1'));
    program = new DotnetProgram('Example', ['--urls', `http://127.0.0.1:${port}`], () => undefined);
    await Promise.race([
      until(async () => (await fetch(`http://127.0.0.1:${port}`)).status === 404, { timeoutMs: 30_000 }),
      program.failed(),
    ]);
  });
  afterAll(async () => {
    if (language === 'TypeScript') await server.close();
    await program?.[Symbol.asyncDispose]();
  });

  it('serves the Hubline client and the official client', async () => {
    const received: unknown[] = [];
    const hubline = createHubConnection(chat, url, {
      reconnect: false,
      receiver: { Said: (...said) => void received.push(['Hubline', ...said]) },
    });
    const official = new signalR.HubConnectionBuilder().withUrl(url).configureLogging(signalR.LogLevel.None).build();
    official.on('Said', (...said: readonly unknown[]) => received.push(['official', ...said]));
    await hubline.start();
    await official.start();
    await hubline.invoke.Join('lobby');
    await official.invoke('Join', 'lobby');
    await hubline.invoke.Say('lobby', 'hi');
    const id = hubline.state.name === 'connected' && hubline.state.connectionId;
    const said = [
      ['Hubline', 'server', 'somebody has joined'],
      ['Hubline', id, 'hi'],
      ['official', id, 'hi'],
    ];
    await vi.waitFor(() => expect(received.toSorted()).toEqual(said.toSorted()));
    const numbers: number[] = [];
    for await (const number of hubline.stream.Count(3)) numbers.push(number);
    expect(numbers).toEqual([0, 1, 2]);
    await expect(hubline.invoke.Say('lobby', 'x'.repeat(2001))).rejects.toThrow('At most 2,000 characters.');
    await Promise.all([hubline.stop(), official.stop()]);
  });
});
