/** The program of a node that has a process of its own; node-process.ts starts it, and is all that it talks to. */
import { redisBackplane } from '@hubline/redis';
import { createNode } from './node.ts';
import type { HistoryAnswer, HistoryQuestion, NodeMessage, NodeOrders } from './node-process.ts';
import type { History } from './rooms.ts';

const { redis, port, host, ...orders } = JSON.parse(process.argv[2] ?? '') as NodeOrders;
const tell = (message: NodeMessage): void => void process.send?.(message, () => undefined); // who started us may be gone

let questions = 0;
const answers = new Map<number, (value: HistoryAnswer['value']) => void>();
process.on('message', ({ question, value }: HistoryAnswer) => {
  answers.get(question)?.(value);
  answers.delete(question);
});
const ask = <T extends HistoryAnswer['value']>(about: HistoryQuestion): Promise<T> =>
  new Promise((resolve) => {
    answers.set(++questions, (value) => resolve(value as T));
    tell({ question: questions, ...about });
  });

/** There is one for all nodes, in the process that started them. */
const rooms: History = { add: (said) => ask({ add: said }), in: (room) => ask({ in: room }) };

const node = createNode({
  ...orders,
  rooms,
  report: (line) => tell({ line }),
  // A node that is killed is missed within four seconds: this is a demonstration.
  backplane: redisBackplane(redis, {
    prefix: 'hubline-playground',
    heartbeatIntervalMs: 1000,
    nodeTimeoutMs: 4000,
    startWithoutRedis: false,
  }),
});
// A terminal tells everybody; who started us decides.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined);
process.once('disconnect', () => void node.close().finally(() => process.exit()));
if (!process.connected) process.exit(); // it was gone before we were here

try {
  tell({ port: await node.listen(port, host) });
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  tell({ failed: `${orders.nodeId}: ${message}`, code });
  await node.close();
  process.disconnect();
}
