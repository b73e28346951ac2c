/** ws without a framework: a loop of `send`, and an echo with SignalR's JSON messages. */
import { WebSocketServer } from 'ws';

const SEPARATOR = '\x1e';

export async function start() {
  const server = new WebSocketServer({ port: 0, perMessageDeflate: false });
  server.on('connection', (client) => client.on('message', (data) => answer(client, data.toString())));
  await new Promise((resolve) => server.once('listening', resolve));
  return {
    port: server.address().port,
    broadcast: (value) => {
      const text = JSON.stringify(value);
      for (const client of server.clients) client.send(text);
    },
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
