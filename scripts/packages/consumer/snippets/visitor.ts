/** `node visitor.js <url>`: calls every method of the server in the documentation. */
import { createHubConnection } from '@hubline/client';
import { chat, type Message } from './chat.js';

const said: string[] = [];
const connection = createHubConnection(chat, `${process.argv[2] ?? ''}/hubs/chat`, {
  receiver: { said: ({ text }) => void said.push(text) },
});

async function* imports(): AsyncGenerator<Message> {
  yield { from: 'file', text: 'imported' };
}

await connection.start();
const members = (await connection.invoke.join('lobby')).length;
const { id } = await connection.invoke.say('lobby', 'hi');
const imported = await connection.invoke.import('lobby', imports());
const history: string[] = [];
for await (const { text } of connection.stream.history('lobby')) history.push(text);
const refused = await connection.invoke.say('lobby', 'x'.repeat(2_001)).then(String, (error: Error) => error.message);
await connection.stop();
console.log(JSON.stringify({ members, id, said, imported, history, refused }));
