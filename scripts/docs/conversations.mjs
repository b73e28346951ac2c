/** Conversations between the client and the server, which docs/protocol/transcripts.md shows. */
import { createHubConnection, longPolling, serverSentEvents, webSockets } from '@hubline/client';
import { messagePack } from '@hubline/client/messagepack';
import { defineHub, jsonCodec } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { messagePack as serverMessagePack } from '@hubline/server/messagepack';
import { until } from '@hubline/testing';
import { WebSocket } from 'ws';
import { Recorder, textOf } from './recorder.mjs';

/** The contract of the tutorial. */
const chat = defineHub('chat', { history: 'stream', import: { uploads: 1 } });
const PATH = '/hubs/chat';
/** No ping interrupts a conversation. */
const HOUR_MS = 3_600_000;

async function startServer() {
  const history = [];
  const server = createHubServer({
    nodeId: 'api-1',
    protocols: [jsonCodec, serverMessagePack()],
    timeouts: { keepAliveMs: HOUR_MS, clientMs: HOUR_MS },
  });
  const hub = server.hub(chat, {
    path: PATH,
    methods: {
      async join(ctx, room) {
        await ctx.groups.add(room);
        const { items } = await ctx.hub.presence.connections({ group: room });
        return items.map(({ connectionId }) => connectionId);
      },
      async say(ctx, room, text) {
        const message = { from: ctx.connectionId, text };
        ctx.clients.group(room).send.said(message);
        return { id: String(history.push(message)) };
      },
      async *history() {
        yield* history;
      },
      async import(_ctx, _room, lines) {
        for await (const line of lines) history.push(line);
        return history.length;
      },
    },
  });
  return { server, hub, port: await server.listen(0, '127.0.0.1') };
}

/** The actions of the client after its start, by the heading of the transcript. */
const ALL_STEPS = {
  call: ({ connection }) => connection.invoke.join('lobby'),
  'call that causes an event': ({ connection }) => connection.invoke.say('lobby', 'Grüß dich'),
  'call that fails': ({ connection }) => connection.call('shout', ['hi']).catch(() => undefined),
  'call without an answer': async ({ connection, received }) => {
    connection.send.say('lobby', 'bye');
    await until(() => received.length === 2);
  },
  upload: ({ connection }) => connection.invoke.import('lobby', lines(3)),
  'stream with credit': async ({ connection, recorder }) => {
    const before = recorder.entries.length;
    const items = connection.with({ window: 4 }).stream.history('lobby')[Symbol.asyncIterator]();
    await items.next();
    await items.next();
    await until(() => recorder.entries.length >= before + 4);
    while (!(await items.next()).done);
  },
  'stream that the client leaves': async ({ connection, recorder }) => {
    const before = recorder.entries.length;
    const items = connection.with({ window: 4 }).stream.history('lobby')[Symbol.asyncIterator]();
    await items.next();
    await items.return();
    await until(() => recorder.entries.length >= before + 4);
  },
  'question of the server': async ({ connection, hub }) => {
    await hub.clients.connection(connection.state.connectionId).invoke.confirm('Ready?');
  },
  'question without an answer': async ({ connection, hub }) => {
    await hub.clients
      .connection(connection.state.connectionId)
      .invoke.choose(1)
      .catch(() => undefined);
  },
  'close by the client': ({ connection, recorder }) => {
    recorder.isLeaving = true;
    return connection.stop();
  },
};

async function* lines(count) {
  for (let number = 1; number <= count; number++) yield { from: 'me', text: `line ${number}` };
}

/** The steps of the shorter conversations. */
const SHORT = ['call', 'call that causes an event', 'question of the server', 'close by the client'];
const BY_SERVER = 'close by the server';

/** The conversations, by the name of their block in the document. */
export const CONVERSATIONS = {
  'websockets-json': { transport: webSockets, steps: Object.keys(ALL_STEPS) },
  'websockets-messagepack': { transport: webSockets, protocol: messagePack(), steps: Object.keys(ALL_STEPS) },
  'sse-json': { transport: serverSentEvents, steps: SHORT },
  'polling-json': { transport: longPolling, steps: SHORT, polls: true },
  'polling-messagepack': { transport: longPolling, protocol: messagePack(), steps: SHORT, polls: true },
  'closed-by-server': { transport: webSockets, steps: [BY_SERVER] },
};

const STEPS = {
  ...ALL_STEPS,
  [BY_SERVER]: async ({ connection, hub, recorder }) => {
    await hub.disconnect({ all: true }, { code: 'expired', message: 'Sign in again.' });
    await until(() => connection.state.name === 'closed' && recorder.entries.at(-1).title.startsWith('← close'));
  },
};

/** Runs a conversation, and returns its record and its text. */
export async function recordConversation({ transport, protocol, steps, polls = false }) {
  const { server, hub, port } = await startServer();
  const recorder = new Recorder();
  const received = [];
  const connection = createHubConnection(chat, `http://127.0.0.1:${port}${PATH}`, {
    transports: [transport()],
    ...(protocol && { protocol }),
    reconnect: false,
    keepAliveMs: HOUR_MS,
    serverTimeoutMs: HOUR_MS,
    fetch: recorder.fetch,
    WebSocket: recorder.WebSocket,
    logger: { info() {}, warn() {}, error() {} },
    receiver: { said: (message) => void received.push(message), confirm: async (question) => question.endsWith('?') },
  });
  try {
    recorder.heading('negotiation and handshake');
    await connection.start();
    const { connectionId } = connection.state;
    for (const name of steps) {
      await until(() => recorder.isQuiet({ polls }));
      recorder.heading(name);
      await STEPS[name]({ connection, hub, recorder, received });
    }
    await until(() => recorder.isQuiet());
    return { recorder, text: textOf(recorder, maskFor(recorder, connectionId)) };
  } finally {
    await connection.stop();
    await server.close({ graceMs: 0 });
  }
}

/** Stands for the ids in transcripts. The first 11 characters of a connection id are the process. */
const SAMPLE = { process: 'qJ2vXk81mZA', rest: 'Rc4TnUe7WdY', token: 'tkB5hS0yLrG3oVqEwN9dCf' };

/** Returns a function that replaces the ids of one run by samples of the same length. */
function maskFor({ entries }, connectionId) {
  const token = /"connectionToken":"([^"]+)"/.exec(entries.map(({ answer }) => answer ?? '').join(''))[1];
  const process = connectionId.slice(0, SAMPLE.process.length);
  return (text) =>
    text
      .replaceAll(connectionId, SAMPLE.process + SAMPLE.rest)
      .replaceAll(process, SAMPLE.process)
      .replaceAll(token, SAMPLE.token);
}

const record = (message) => `${typeof message === 'string' ? message : JSON.stringify(message)}\u001e`;
const HANDSHAKE = record({ protocol: 'json', version: 1 });
const CALL = record({ type: 1, invocationId: 'a1', target: 'say', arguments: ['lobby', 'hi'] });

/** The frames that a client without Hubline sends, by what they are. It sends the second one after the answer to the first. */
const UNUSUAL = {
  'a handshake that is no JSON': [record('hello')],
  'a message instead of a handshake': [record({ type: 6 })],
  'a protocol that does not exist': [record({ protocol: 'xml', version: 1 })],
  'a version that does not exist': [record({ protocol: 'json', version: 3 })],
  'a message that is no JSON': [HANDSHAKE, record('hello')],
  'a Completion without an id': [HANDSHAKE, record({ type: 3, result: 1 })],
  'a call to a method that does not exist': [HANDSHAKE, record({ type: 1, invocationId: 'a1', target: 'shout', arguments: [] }), true],
  'a call, and a Close in the same frame': [HANDSHAKE, CALL + record({ type: 7 })],
};

/** Sends these frames, with a WebSocket for each row. Returns the text of both sides. */
export async function recordUnusualClients() {
  const { server, port } = await startServer();
  try {
    const texts = [];
    for (const [name, [first, second, leaves]] of Object.entries(UNUSUAL)) {
      const lines = [`# ${name}\n`];
      const show = (arrow, text) => lines.push(`${arrow} text frame\n${text.replaceAll('\u001e', '¶\n').trimEnd()}`);
      const socket = new WebSocket(`ws://127.0.0.1:${port}${PATH}`);
      const send = (text) => {
        show('→', text);
        socket.send(text);
      };
      let frames = 0;
      socket.on('open', () => send(first));
      socket.on('message', (data) => {
        show('←', data.toString());
        if (++frames === 1 && second) send(second);
        if (frames === 2 && leaves) socket.close(4000);
      });
      const code = await new Promise((resolve, reject) => socket.on('error', reject).on('close', resolve));
      lines.push(`${leaves ? '→ close frame, 4000\n' : ''}← close frame, ${code}\n`);
      texts.push(lines.join('\n').replaceAll(/qJ2v|(?<="from":")[\w-]+/g, SAMPLE.process + SAMPLE.rest));
    }
    return texts.join('\n');
  } finally {
    await server.close({ graceMs: 0 });
  }
}
