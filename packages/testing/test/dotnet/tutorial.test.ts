import { defineHub } from '@hubline/protocol';
import { createHubServer, type HubServer } from '@hubline/server';
import { freePort, until } from '@hubline/testing';
import { expect, it, vi } from 'vitest';
import { launchChromium } from '../browsers/chromium.ts';
import { DotnetProgram, folderOf } from './program.ts';

interface ChatHub {
  SendMessage(user: string, message: string): Promise<void>;
}
interface ChatClient {
  ReceiveMessage(user: string, message: string): void;
}

/** A busy machine starts .NET and Chromium slowly. */
const WAIT = { timeout: 30_000 };

/** Creates the server of Microsoft's tutorial. Pages of `origin` may use it. */
function chatServer(origin: string): HubServer {
  const server = createHubServer();
  server.hub(defineHub<ChatHub, ChatClient>('chat'), {
    path: '/chatHub',
    origins: [origin],
    methods: { SendMessage: async ({ clients }, user, message) => void clients.all.send.ReceiveMessage(user, message) },
  });
  return server;
}

it("a console application and a page of Microsoft's tutorials chat with each other through Hubline", async () => {
  const origin = `http://127.0.0.1:${await freePort()}`;
  await using web = new DotnetProgram('WebChat', ['--urls', origin, '--contentRoot', folderOf('WebChat')], () => undefined);
  const isServed = async (): Promise<boolean> => (await fetch(origin)).ok;
  await Promise.race([until(isServed, { timeoutMs: 30_000 }), web.failed()]);
  await using server = chatServer(origin);
  const hub = `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}/chatHub`;

  const lines: string[] = [];
  await using program = new DotnetProgram('ConsoleChat', [hub, 'Alice'], (line) => lines.push(line));
  await vi.waitFor(() => expect(lines).toEqual(['Connection started']), WAIT);

  await using browser = await launchChromium();
  const page = await browser.newPage();
  await page.goto(`${origin}/?hub=${encodeURIComponent(hub)}`);
  await page.getByLabel('User').fill('Bob');
  await page.getByLabel('Message').fill('hello from the page');
  await page.getByRole('button').click(); // waits until the page has enabled it
  await vi.waitFor(() => expect(lines).toEqual(['Connection started', 'Bob: hello from the page']), WAIT);

  program.write('hello from the console');
  const messages = page.locator('#messagesList li');
  const expected = ['Bob: hello from the page', 'Alice: hello from the console'];
  await vi.waitFor(async () => expect(await messages.allTextContents()).toEqual(expected), WAIT);
});
