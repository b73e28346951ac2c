/**
 * Compares the examples in docs/protocol/between-nodes.md with two nodes on a Redis. With `HUBLINE_WRITE=1` in the environment it writes
 * them.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createHubConnection, type HubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { redisBackplane } from '@hubline/redis';
import { startRedis } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';
import { expect, it, vi } from 'vitest';

const PAGE = new URL('../../../../docs/protocol/between-nodes.md', import.meta.url);
const blockOf = (language: string): RegExp => new RegExp(`(?<=^\`\`\`${language}\n)[^]*?(?=^\`\`\`$)`, 'm');

/** Returns the block of the page, after writing the recorded text if that is asked for. */
function documented(language: string, recorded: string): string | undefined {
  const page = readFileSync(PAGE, 'utf8');
  if (process.env.HUBLINE_WRITE)
    writeFileSync(
      PAGE,
      page.replace(blockOf(language), () => recorded),
    );
  return blockOf(language).exec(readFileSync(PAGE, 'utf8'))?.[0];
}

interface ChatHub {
  join(room: string): Promise<void>;
}
interface ChatReceiver {
  said(message: { readonly from: string; readonly text: string }): void;
}
const chat = defineHub<ChatHub, ChatReceiver>('chat');
const TOPIC = 'chat:group:lobby';

/** Starts a node with this number of members of the group. */
async function startNode(url: string, { nodeId, members }: { readonly nodeId: string; readonly members: number }) {
  const backplane = redisBackplane(url);
  const server = createHubServer({ nodeId, backplane });
  const hub = server.hub(chat, { path: '/hubs/chat', methods: { join: (ctx, room) => ctx.groups.add(room) } });
  const port = await server.listen(0, '127.0.0.1');
  await backplane.ready();
  const connections = Array.from({ length: members }, () =>
    createHubConnection(chat, `http://127.0.0.1:${port}/hubs/chat`, { reconnect: false, receiver: { said: () => undefined } }),
  );
  for (const connection of connections) {
    await connection.start();
    await connection.invoke.join('lobby');
  }
  return { server, hub, connections, process: connectionIdOf(connections[0]).slice(0, 11) };
}

/** Starts two nodes, with two and one members of the group. */
async function startTwoNodes(url: string) {
  const first = await startNode(url, { nodeId: 'api-1', members: 2 });
  const second = await startNode(url, { nodeId: 'api-2', members: 1 });
  const processes = [first.process, second.process];
  return {
    first,
    /** Returns the position of the node of an incarnation. */
    indexOf: (incarnation: string) => processes.indexOf(incarnation.slice(0, 11)),
    async [Symbol.asyncDispose]() {
      await Promise.all([...first.connections, ...second.connections].map((connection) => connection.stop()));
      await Promise.all([first, second].map(({ server }) => server.close({ graceMs: 0 })));
    },
  };
}

function connectionIdOf(connection: HubConnection<ChatHub, ChatReceiver> | undefined): string {
  if (connection?.state.name !== 'connected') throw new Error('The client is connected.');
  return connection.state.connectionId ?? '';
}

/** Stand for the processes in the examples. */
const PROCESSES = ['qJ2vXk81mZA', 'tR5wYn92kQB'];

function disposable(client: Redis): AsyncDisposable & { readonly client: Redis } {
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}

/** Names and shows the parts of a frame. */
function partsOf(frame: Buffer): string {
  const originEnd = 9 + (frame[8] ?? 0);
  const headerEnd = originEnd + 6 + frame.readUInt32BE(originEnd + 2);
  const parts: readonly (readonly [string, Buffer])[] = [
    ['version, kind', frame.subarray(0, 2)],
    ['sequence', frame.subarray(2, 8)],
    ['origin: its length, then the incarnation', frame.subarray(8, originEnd)],
    ['envelope: version, kind, length of the header', frame.subarray(originEnd, originEnd + 6)],
    ['header', frame.subarray(originEnd + 6, headerEnd)],
    ['body', frame.subarray(headerEnd)],
  ];
  return parts.map(([name, bytes]) => `# ${name}, ${bytes.length} bytes\n${linesOf(bytes)}\n`).join('');
}

function linesOf(bytes: Buffer): string {
  const starts = Array.from({ length: Math.ceil(bytes.length / 16) }, (_, i) => i * 16);
  const lines = starts.map((start) => bytes.subarray(start, start + 16));
  return lines
    .map(
      (line) =>
        `${line
          .toString('hex')
          .replaceAll(/..(?=.)/g, '$& ')
          .padEnd(49)}${line.toString('latin1').replaceAll(/[^ -~]/g, '.')}`,
    )
    .join('\n');
}

it('docs/protocol/between-nodes.md shows the frame of an event', async () => {
  await using redis = await startRedis();
  await using nodes = await startTwoNodes(redis.url);
  await using subscriber = disposable(new Redis(redis.url));
  const frames: Buffer[] = [];
  subscriber.client.on('messageBuffer', (_channel: Buffer, frame: Buffer) => void frames.push(frame));
  await subscriber.client.subscribe(`hubline:{${TOPIC}}`);
  nodes.first.hub.clients.group('lobby').send.said({ from: 'api-1', text: 'Grüß dich' });
  await vi.waitFor(() => expect(frames).toHaveLength(1));
  const frame = Buffer.from(frames[0] ?? '');
  Buffer.from(PROCESSES[0] ?? '').copy(frame, 9);
  frame.writeUIntBE(1, 2, 6); // the first sequence differs in every run
  expect(documented('text frame', partsOf(frame))).toBe(partsOf(frame));
});

it('docs/protocol/between-nodes.md shows the keys of a count, and its code returns the value of the nodes', async () => {
  await using redis = await startRedis();
  await using nodes = await startTwoNodes(redis.url);
  await using commands = disposable(new Redis(redis.url));
  const { client } = commands;
  // Redis does not keep the order of a hash.
  const inOrder = (incarnations: readonly string[]) => incarnations.toSorted((a, b) => nodes.indexOf(a) - nodes.indexOf(b));
  const incarnations = inOrder(await client.hkeys('hubline:{nodes}'));
  expect(incarnations).toHaveLength(2);
  const keys = ['lease', 'whole'].flatMap((name) => incarnations.map((each) => `hubline:{nodes}:${name}:${each}`));
  const numbers = await client.hgetall(`hubline:{${TOPIC}}:counts`);
  const counts = inOrder(Object.keys(numbers)).map((each) => `${each} → ${numbers[each]}`);
  const lines = [
    'HKEYS hubline:{nodes}',
    ...incarnations.map((each) => `  ${each}`),
    `MGET ${keys.join(' \\\n     ')}`,
    `  ${(await client.mget(keys)).join(' ')}`,
    `HGETALL hubline:{${TOPIC}}:counts`,
    ...counts.map((each) => `  ${each}`),
  ];
  const text = incarnations.reduce((each, own, i) => each.replaceAll(own.slice(0, 11), PROCESSES[i] ?? ''), `${lines.join('\n')}\n`);
  expect(documented('text count', text)).toBe(text);

  const url = `data:text/javascript,${encodeURIComponent(blockOf('js count').exec(readFileSync(PAGE, 'utf8'))?.[0] ?? '')}`;
  const { count } = (await import(/* @vite-ignore */ url)) as { count: (redis: Redis, options: { topic: string }) => Promise<unknown> };
  expect(await nodes.first.hub.presence.count({ group: 'lobby' })).toEqual({ value: 3, complete: true, missingNodes: [] });
  expect(await count(client, { topic: TOPIC })).toEqual({ value: 3, missing: [] });
  await client.del(`hubline:{nodes}:whole:${incarnations[1] ?? ''}`);
  expect(await count(client, { topic: TOPIC })).toEqual({ value: 2, missing: [incarnations[1]] });
  await client.del(`hubline:{nodes}:lease:${incarnations[1] ?? ''}`);
  expect(await count(client, { topic: TOPIC })).toEqual({ value: 2, missing: [] });
});
