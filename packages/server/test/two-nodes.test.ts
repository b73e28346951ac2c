import { createHubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer, memoryBackplane } from '@hubline/server';
import { expect, it } from 'vitest';

interface Chat {
  join(room: string): Promise<number>;
  say(room: string, text: string): Promise<{ id: string }>;
  count(to: number): AsyncIterable<number>;
  sum(numbers: AsyncIterable<number>): Promise<number>;
}
interface Receiver {
  said(text: string): void;
  confirm(question: string): Promise<boolean>;
}
const chat = defineHub<Chat, Receiver>('chat', { count: 'stream', sum: { uploads: 1 } });

it('two clients on two nodes call, send, stream, upload and answer calls through a memory backplane', async () => {
  const backplane = memoryBackplane();
  const start = async (nodeId: string) => {
    const server = createHubServer({ nodeId, backplane, detailedErrors: true });
    const hub = server.hub(chat, {
      path: '/hubs/chat',
      methods: {
        async join(ctx, room): Promise<number> {
          await ctx.groups.add(room);
          return (await hub.presence.count({ group: room })).value;
        },
        async say(ctx, room, text) {
          ctx.clients.group(room).send.said(text);
          return { id: ctx.connectionId };
        },
        async *count(_ctx, to) {
          for (let i = 1; i <= to; i++) yield i;
        },
        async sum(_ctx, numbers) {
          let sum = 0;
          for await (const number of numbers) sum += number;
          return sum;
        },
      },
    });
    const port = await server.listen(0);
    return { server, hub, url: `http://localhost:${port}/hubs/chat` };
  };
  const one = await start('one');
  const two = await start('two');
  const received: string[] = [];
  const a = createHubConnection(chat, one.url, {
    receiver: { said: (text) => void received.push(`a:${text}`), confirm: async () => true },
  });
  const b = createHubConnection(chat, two.url, {
    receiver: { said: (text) => void received.push(`b:${text}`), confirm: async () => false },
  });
  await a.start();
  await b.start();
  expect(await a.invoke.join('lobby')).toBe(1);
  expect(await b.invoke.join('lobby')).toBe(2);
  await a.invoke.say('lobby', 'hi');
  await expect.poll(() => received.sort()).toEqual(['a:hi', 'b:hi']);
  const items = [];
  for await (const i of a.stream.count(3)) items.push(i);
  expect(items).toEqual([1, 2, 3]);
  async function* numbers() {
    yield 1;
    yield 2;
  }
  expect(await b.invoke.sum(numbers())).toBe(3);
  const { items: outcomes } = await one.hub.clients.group('lobby').invokeAll.confirm('?');
  expect(outcomes.map((o) => o.status === 'fulfilled' && o.value).sort()).toEqual([false, true]);
  expect(await one.hub.clients.group('lobby').invokeOne.confirm('?')).toBe(true);
  await a.stop();
  await b.stop();
  await one.server.close();
  await two.server.close();
});
