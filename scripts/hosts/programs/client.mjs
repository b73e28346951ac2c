/** Uses every feature of the client, over every transport and in both protocols. Runs in any runtime, without its built-ins. */
import { createHubConnection, longPolling, serverSentEvents, webSockets } from '@hubline/client';
import { messagePack } from '@hubline/client/messagepack';
import { jsonCodec } from '@hubline/protocol';
import { contract } from './contract.mjs';

const TRANSPORTS = { WebSockets: webSockets, 'server-sent events': serverSentEvents, 'long polling': longPolling };
const PROTOCOLS = { JSON: () => jsonCodec, MessagePack: messagePack };
const STEP_MS = 20_000;

/** Returns the outcome of each transport and protocol: "ok", or the step that failed and its error. */
export async function tryAll(origin) {
  const outcomes = {};
  for (const [transport, open] of Object.entries(TRANSPORTS)) {
    for (const [name, protocol] of Object.entries(PROTOCOLS)) {
      if (transport === 'server-sent events' && name === 'MessagePack') continue; // text only
      outcomes[`${transport}, ${name}`] = await tryOne(`${origin}/hubs/runtimes`, { transports: [open()], protocol: protocol() });
    }
  }
  return outcomes;
}

async function tryOne(url, options) {
  let step = 'connect';
  const received = [];
  const receiver = { said: (text) => void received.push(text), confirm: async (question) => question === 'sure?' };
  const connection = createHubConnection(contract, url, { ...options, receiver, callTimeoutMs: STEP_MS, reconnect: { firstMs: 1 } });
  try {
    await connection.start();
    step = 'call';
    expect(await connection.invoke.say('hélló'), 5);
    step = 'event';
    await until(() => received.length === 1);
    expect(received[0], 'hélló');
    step = 'question';
    expect(await connection.invoke.ask('sure?'), true);
    step = 'stream';
    const items = [];
    for await (const item of connection.stream.count(200)) items.push(item); // more than the window
    expect(items.length, 200);
    step = 'upload';
    expect(await connection.invoke.upload(numbers(100)), 4950);
    step = 'reconnect';
    const before = connection.state.connectionId;
    connection.send.leave();
    await until(() => connection.state.name === 'connected' && connection.state.connectionId !== before);
    expect(await connection.invoke.say('again'), 5);
    step = 'stop';
    await connection.stop();
    expect(connection.state.name, 'closed');
    return 'ok';
  } catch (error) {
    return `${step}: ${error.code ?? error.name}: ${error.message}`;
  } finally {
    await connection.stop();
  }
}

async function* numbers(to) {
  for (let n = 0; n < to; n++) yield n;
}

function expect(found, wanted) {
  if (found !== wanted) throw new Error(`${JSON.stringify(found)} instead of ${JSON.stringify(wanted)}`);
}

async function until(condition) {
  const end = Date.now() + STEP_MS;
  while (!condition()) {
    if (Date.now() > end) throw new Error('time limit exceeded');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
