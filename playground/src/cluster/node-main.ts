/** The program of a node in a process of its own. node-process.ts starts it and exchanges messages with it. */
import { redisBackplane } from '@hubline/redis';
import { createNode } from './node.ts';
import type { HistoryReply, HistoryRequest, NodeMessage, NodeProcessOptions } from './node-process.ts';
import type { History } from './history.ts';

const { redis, port, host, ...options } = JSON.parse(process.argv[2] ?? '') as NodeProcessOptions;
const send = (message: NodeMessage): void => void process.send?.(message, () => undefined); // the parent process may have ended

let requests = 0;
const pending = new Map<number, (value: HistoryReply['value']) => void>();
process.on('message', ({ requestId, value }: HistoryReply) => {
  pending.get(requestId)?.(value);
  pending.delete(requestId);
});
const request = <T extends HistoryReply['value']>(about: HistoryRequest): Promise<T> =>
  new Promise((resolve) => {
    pending.set(++requests, (value) => resolve(value as T));
    send({ requestId: requests, ...about });
  });

/** The history of all nodes, in the parent process. */
const history: History = { add: (message) => request({ add: message }), in: (room) => request({ in: room }) };

const node = createNode({
  ...options,
  history,
  report: (line) => send({ line }),
  // Shorter than the defaults, so that a user soon sees the effect of a killed node.
  backplane: redisBackplane(redis, {
    prefix: 'hubline-playground',
    heartbeatIntervalMs: 1000,
    nodeTimeoutMs: 4000,
    startWithoutRedis: false,
  }),
});
// A terminal sends these signals to all processes. Only the parent process decides when this one ends.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.once('disconnect', () => void node.close().finally(() => process.exit()));
if (!process.connected) process.exit(); // the parent ended before the listener was added

try {
  send({ port: await node.listen(port, host) });
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  send({ failed: `${options.nodeId}: ${message}`, code });
  await node.close();
  process.disconnect();
}
