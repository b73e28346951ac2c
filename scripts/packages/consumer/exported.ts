/** Exports with inferred types, which the declarations of an application must be able to name. */
import { createHubConnection, defineHub } from '@hubline/client';
import { redisBackplane } from '@hubline/redis';
import { createHubServer } from '@hubline/server';
import type { Attributes, ChatHub, ChatReceiver } from './shapes.js';

export const chat = defineHub<ChatHub, ChatReceiver, Attributes>('chat', { history: 'stream' });
export const connection = createHubConnection(chat, 'http://localhost/hubs/chat');
export const { invoke, send, stream } = connection;
export const calls = connection.with({ timeoutMs: 1 });
export const { say } = connection.invoke;
export const open = () => createHubConnection(chat, '/hubs/chat', { receiver: { confirm: async () => true } });

export const backplane = redisBackplane({ host: '127.0.0.1' });
export const server = createHubServer({ backplane });
export const hub = server.hub(chat);
export const { clients, presence, groups, attributes } = hub;
export const { all } = clients;
export const speaking = all.send;
export const { invokeAll, invokeOne } = all;
export const alice = clients.user('alice').except('x').with({ timeoutMs: 1 });
export const askOne = clients.connection('id').invoke;
export const outcomes = () => all.invokeAll.confirm('?');
export const sent = () => all.send.said('');
export const page = () => presence.connections({ all: true }, { select: ['userId'] });
export const watch = () => presence.watch({ where: { role: 'admin' } });
export const kick = () => hub.disconnect({ all: true });
export const nodes = () => server.nodes();
export const health = () => server.health();
