/** `node client.js <url>`: uses every kind of call, over every transport. Prints the outcomes. */
import { createHubConnection, longPolling, serverSentEvents, webSockets } from '@hubline/client';
import { messagePack } from '@hubline/client/messagepack';
import { chat } from './contract.js';

const url = `${process.argv[2] ?? ''}/hubs/chat?user=ann`;

async function* lines(): AsyncGenerator<string> {
  yield 'a';
  yield 'bc';
}

const outcomes: Record<string, unknown> = {};
for (const transport of [webSockets(), serverSentEvents(), longPolling()]) {
  const heard: string[] = [];
  const connection = createHubConnection(chat, url, {
    transports: [transport],
    receiver: { said: ({ text }) => void heard.push(text) },
    ...(transport.name === 'LongPolling' ? { protocol: messagePack() } : {}),
  });
  await connection.start();
  const said = await connection.with({ timeoutMs: 10_000 }).invoke.say('hello');
  const read: string[] = [];
  for await (const { text } of connection.stream.history(3)) read.push(text);
  const uploaded = await connection.invoke.upload(lines());
  await connection.stop();
  outcomes[transport.name] = { said, heard, read, uploaded };
}
console.log(JSON.stringify(outcomes));
