/** Serves the hub that client.mjs calls, in Node, Bun and Deno. Prints its URL, and ends when its standard input ends. */
import process from 'node:process';
import { createHubServer, jsonCodec } from '@hubline/server';
import { messagePack } from '@hubline/server/messagepack';
import { contract } from './contract.mjs';

const server = createHubServer({ nodeId: 'node-1', protocols: [jsonCodec, messagePack()] });
server.on('error', (stage, error) => console.error(stage, error));
server.hub(contract, {
  path: '/hubs/runtimes',
  origins: () => true,
  methods: {
    async say(ctx, text) {
      ctx.clients.caller.send.said(text);
      return text.length;
    },
    ask: (ctx, question) => ctx.clients.caller.invoke.confirm(question),
    async *count(_ctx, to) {
      for (let n = 0; n < to; n++) yield n;
    },
    async upload(_ctx, items) {
      let sum = 0;
      for await (const item of items) sum += item;
      return sum;
    },
    async leave(ctx) {
      await ctx.hub.disconnect({ connection: ctx.connectionId }, { allowReconnect: true });
    },
  },
});
console.log(`http://127.0.0.1:${await server.listen(0, '127.0.0.1')}`);
process.stdin.on('end', () => server.close().then(() => process.exit())).resume();
