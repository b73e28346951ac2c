/** `node server.js <folder>`: serves a hub and the files of a folder. Prints its URL, and ends when its standard input ends. */
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { resolve } from 'node:path';
import { createHubServer } from '@hubline/server';
import { messagePack } from '@hubline/server/messagepack';
import { jsonCodec } from '@hubline/protocol';
import { chat } from './contract.js';

const folder = process.argv[2] ?? '.';
const TYPES: Readonly<Record<string, string>> = { html: 'text/html', js: 'text/javascript', mjs: 'text/javascript' };
/** Forbids inline scripts, `eval` and other origins. */
const POLICY = "default-src 'none'; script-src 'self'; connect-src 'self'; require-trusted-types-for 'script'";

const http = createServer((request, response) => {
  const { pathname } = new URL(request.url ?? '/', 'http://localhost');
  if (pathname.startsWith('/hubs/')) return; // a request for the hub
  const path = pathname.endsWith('/') ? `${pathname}index.html` : pathname;
  readFile(resolve(folder, `.${path}`)).then(
    (content) => {
      response.setHeader('content-type', `${TYPES[path.split('.').pop() ?? ''] ?? 'text/plain'}; charset=utf-8`);
      if (path.startsWith('/strict/')) response.setHeader('content-security-policy', POLICY);
      response.end(content);
    },
    () => response.writeHead(path === '/favicon.ico' ? 204 : 404).end(),
  );
});

const server = createHubServer({ nodeId: 'node-1', protocols: [jsonCodec, messagePack()] });
export const hub = server.hub(chat, {
  path: '/hubs/chat',
  attributes: { role: 'indexed' },
  authenticate: ({ url }) => ({ userId: url.searchParams.get('user') ?? 'nobody', attributes: { role: 'guest' } }),
  authorize: { say: (ctx) => ctx.attributes.role !== 'muted' },
  methods: {
    async say(ctx, text) {
      await ctx.clients.caller.send.said({ from: 'server', text });
      return text.length;
    },
    async *history(_ctx, count) {
      for (let n = 0; n < count; n++) yield { from: 'history', text: String(n) };
    },
    async upload(_ctx, lines) {
      let count = 0;
      for await (const line of lines) count += line.length;
      return count;
    },
  },
});
server.attach(http);
http.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${(http.address() as AddressInfo).port}`));
process.stdin.on('end', () => void server.close().then(() => process.exit())).resume();
