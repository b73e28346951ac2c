/** ws without a framework: a loop of `send`, an echo with SignalR's JSON messages, and tables of users and groups. */
import { WebSocketServer } from 'ws';
import { EACH, groupsOf } from '../groups.mjs';

const SEPARATOR = '\x1e';

export async function start({ port }) {
  const server = new WebSocketServer({ port, host: '127.0.0.1', perMessageDeflate: false });
  const groups = new Map();
  let joined = 0;
  server.on('connection', (client, request) => {
    client.on('message', (data) => answer(client, data.toString()));
    if (request.url === '/bench') return;
    client.userId = request.url.slice(request.url.indexOf('=') + 1);
    client.attributes = { role: 'editor' };
    const isGrouped = request.url.startsWith('/groups');
    if (isGrouped) joined += EACH;
    for (const name of isGrouped ? groupsOf(client.userId) : [`user:${client.userId}`, 'lobby', 'news']) {
      if (!groups.has(name)) groups.set(name, new Set());
      groups.get(name).add(client);
    }
  });
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    port: server.address().port,
    broadcast: (value) => {
      const text = JSON.stringify(value);
      for (const client of server.clients) client.send(text);
    },
    toGroup: (name, value) => {
      const text = JSON.stringify(value);
      for (const client of groups.get(name)) client.send(text);
    },
    joined: () => joined,
  };
}

function answer(client, text) {
  for (const record of text.split(SEPARATOR)) {
    if (record === '') continue;
    const { type, protocol, invocationId, arguments: args } = JSON.parse(record);
    if (type === 1) client.send(JSON.stringify({ type: 3, invocationId, result: args[0] }) + SEPARATOR);
    else if (protocol !== undefined) client.send(`{}${SEPARATOR}`);
  }
}
