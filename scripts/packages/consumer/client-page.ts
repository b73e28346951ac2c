/** A page that has the types of the browser only. */
import { createHubConnection, type HubConnection } from '@hubline/client';
import { chat, type ChatHub, type ChatReceiver } from './contract.js';

export async function open(): Promise<HubConnection<ChatHub, ChatReceiver>> {
  const connection = createHubConnection(chat, '/hubs/chat', { receiver: { confirm: async () => true } });
  await connection.start();
  return connection;
}
