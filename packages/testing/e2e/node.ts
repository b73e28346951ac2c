/** The program of a node. Prints gaps as lines of JSON, and tells its state at `/health`. */
import { createServer } from 'node:http';
import { redisBackplane } from '@hubline/redis';
import { createHubServer, isHublineError } from '@hubline/server';
import { matrix, type Topic } from './contract.ts';
import { HEARTBEAT_MS, LEASE_MS, POLL_MS, REDIS_TIMEOUT_MS } from './times.ts';

const [, port, , nodeId = '', , redis] = process.argv.slice(2);
const backplane = redisBackplane(redis, {
  heartbeatIntervalMs: HEARTBEAT_MS,
  nodeTimeoutMs: LEASE_MS,
  redisTimeoutMs: REDIS_TIMEOUT_MS,
});
const print = (line: object): void => console.log(JSON.stringify({ ...line, atMs: Date.now() }));
const server = createHubServer({ backplane, nodeId, timeouts: { disconnectMs: POLL_MS } });
server.on('gap', (gap) => print({ gap }));
server.on('error', (stage, error) => print({ stage, error: String(error) }));

/** The time after which a client that does not answer is given up. */
const ANSWER_MS = 2000;

server.hub(matrix, {
  path: '/matrix',
  authenticate: ({ url }) => ({ userId: url.searchParams.get('name') ?? 'nobody' }),
  methods: {
    async say({ clients, connectionId }, topic, messages) {
      await Promise.all(messages.map((message) => targetOf(clients, topic).send.said(message).confirmed));
      return connectionId;
    },
    async shout({ clients, connectionId }, topic, messages) {
      for (const message of messages) void targetOf(clients, topic).send.said(message);
      return connectionId;
    },
    async join({ groups, connectionId }) {
      await groups.add('room');
      return connectionId;
    },
    async leave({ groups, connectionId }) {
      await groups.remove('room');
      return connectionId;
    },
    async who({ hub }) {
      const room = { group: 'room' };
      const [listed, counted] = await Promise.all([hub.presence.connections(room), hub.presence.count(room)]);
      const members = listed.items.map(({ userId = '' }) => userId);
      return { members, count: counted.value, complete: listed.complete && counted.complete };
    },
    async ask({ clients }, connectionId) {
      try {
        const answer = await clients.connection(connectionId).with({ timeoutMs: ANSWER_MS }).invoke.confirm();
        return answer ? 'fulfilled' : 'wrong result';
      } catch (error) {
        if (isHublineError(error)) return error.code;
        throw error;
      }
    },
    async askAll({ clients }) {
      const { items, missingNodes } = await clients.all.with({ timeoutMs: ANSWER_MS }).invokeAll.confirm();
      const outcomes = items.flatMap((item) => {
        const { connectionId } = item; // undefined for a user, which this target does not list
        if (connectionId === undefined) return [];
        return [{ connectionId, status: item.status === 'rejected' ? item.code : statusOf(item.value) }];
      });
      return { items: outcomes, missingNodes };
    },
    async *count(_context, stream, items) {
      for (let item = 1; item <= items; item++) {
        yield `${stream}/${item}`;
        // eslint-disable-next-line no-restricted-syntax -- a node that yields items over some time
        if (item % 4 === 0) await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
  },
});

const statusOf = (value: boolean): string => (value ? 'fulfilled' : 'wrong result');

function targetOf<T>({ all, group }: { readonly all: T; group(name: string): T }, topic: Topic): T {
  return topic === 'all' ? all : group(topic);
}

const http = createServer((_request, response) => {
  const { connections, status } = server.health();
  void server.nodes().then(({ items, complete }) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ status, connections, nodes: items.length, complete }));
  });
});
server.attach(http);
await server.ready();
http.listen(Number(port), '127.0.0.1', () => print({ url: `http://127.0.0.1:${port}` }));
process.once('SIGTERM', () => void server.close().then(() => process.exit(0)));
