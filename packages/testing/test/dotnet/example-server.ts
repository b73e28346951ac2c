import { defineHub } from '@hubline/protocol';
import { createHubServer, hubError } from '@hubline/server';

export interface ChatHub {
  Join(room: string): Promise<void>;
  Say(room: string, text: string): Promise<void>;
  Count(to: number): AsyncIterable<number>;
}
export interface ChatClient {
  Said(from: string, text: string): void;
  Confirm(question: string): Promise<boolean>;
}
export const chat = defineHub<ChatHub, ChatClient>('chat', { Count: 'stream' });

export const server = createHubServer();
server.hub(chat, {
  path: '/hubs/chat',
  methods: {
    async Join(ctx, room) {
      await ctx.groups.add(room);
      ctx.clients.othersInGroup(room).send.Said('server', 'somebody has joined');
    },
    async Say(ctx, room, text) {
      if (text.length > 2_000) throw hubError('At most 2,000 characters.');
      ctx.clients.group(room).send.Said(ctx.connectionId, text);
    },
    async *Count(_ctx, to) {
      for (let number = 0; number < to; number++) yield number;
    },
  },
});
