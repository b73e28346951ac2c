/** The program of a node that has a process of its own; node-process.ts starts it, and is all that it talks to. */
import { redisBackplane } from '@hubline/server/redis';
import type { Message } from '../contract.ts';
import { createNode } from './node.ts';
import type { HistoryAnswer, NodeMessage, NodeOrders } from './node-process.ts';
import type { History } from './rooms.ts';

const { redis, port, host, ...orders } = JSON.parse(process.argv[2] ?? '') as NodeOrders;
const tell = (message: NodeMessage): void => void process.send?.(message, () => undefined); // who started us may be gone

let questions = 0;
const answers = new Map<number, (value: HistoryAnswer['value']) => void>();
process.on('message', ({ question, value }: HistoryAnswer) => {
  answers.get(question)?.(value);
  answers.delete(question);
});
const answered = <T extends HistoryAnswer['value']>(): readonly [number, Promise<T>] => {
  const question = ++questions;
  return [question, new Promise<T>((resolve) => answers.set(question, (value) => resolve(value as T)))];
};

/** There is one for all nodes, in the process that started them. */
const rooms: History = {
  add(said) {
    const [question, answer] = answered<Message>();
    tell({ question, add: said });
    return answer;
  },
  in(room) {
    const [question, answer] = answered<readonly Message[]>();
    tell({ question, in: room });
    return answer;
  },
};

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
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => undefined); // a terminal tells them to all: who started us decides
process.once('disconnect', () => void node.close().finally(() => process.exit()));

try {
  tell({ port: await node.listen(port, host) });
} catch (error) {
  const { message, code } = error as NodeJS.ErrnoException;
  tell({ failed: `${orders.nodeId}: ${message}`, code });
  await node.close();
  process.disconnect();
}
