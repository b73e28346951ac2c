import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Message } from '../contract.ts';
import type { History, Said } from './rooms.ts';
import type { LaunchOptions, RunningNode } from './running-node.ts';

/** The options of the process, its only argument. */
export type NodeOrders = Pick<LaunchOptions, 'nodeId' | 'nodeIds' | 'origins' | 'port' | 'host'> & { readonly redis: string };

/** The ready message of the process, the first that is neither a line nor a question. */
export type Readiness = { readonly port: number } | { readonly failed: string; readonly code: string | undefined };

export type NodeMessage =
  | Readiness
  /** For a person. */
  | { readonly line: string }
  | ({ readonly question: number } & HistoryQuestion);

/** The node asks for the history, which this process keeps. */
export type HistoryQuestion = { readonly add: Said } | { readonly in: string };

export interface HistoryAnswer {
  readonly question: number;
  readonly value: Message | readonly Message[];
}

/** The built program. Tests that run the sources use it too. */
const PROGRAM = new URL('../../build/cluster/node-main.js', import.meta.url);

/** A node in a process of its own. It closes when its channel to this process does: also when this process is killed. */
export class NodeProcess implements RunningNode {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  /** @throws Error with the code of what it failed with: EADDRINUSE where the port is taken */
  static async start({ redis, rooms, report, ...options }: LaunchOptions & { readonly redis: string }): Promise<NodeProcess> {
    const { nodeId, nodeIds, origins, port, host } = options;
    const orders: NodeOrders = { nodeId, nodeIds, origins, port, host, redis };
    const child = fork(PROGRAM, [JSON.stringify(orders)], { execArgv: [] });
    const readiness = await new Promise<Readiness>((resolve) => {
      child.on('message', (message: NodeMessage) => {
        if ('line' in message) report(message.line);
        else if ('port' in message || 'failed' in message) resolve(message);
        else void answer(message, rooms).then((value) => child.send({ question: message.question, value }, () => undefined)); // or it is gone
      });
      child.once('exit', (code, signal) => {
        const failed = `${nodeId} ended with ${signal ?? `code ${code}`}.`;
        if (code !== 0) report(failed);
        resolve({ failed, code: undefined });
      });
    });
    if ('port' in readiness) return new NodeProcess(readiness.port, child);
    throw Object.assign(new Error(readiness.failed), { code: readiness.code });
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async stop(): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.#child, 'exit');
    if (this.#child.connected) this.#child.disconnect();
    await ended;
  }

  async kill(): Promise<void> {
    if (!this.isRunning) return;
    const ended = once(this.#child, 'exit');
    this.#child.kill('SIGKILL');
    await ended;
  }
}

const answer = (question: HistoryQuestion, rooms: History): Promise<HistoryAnswer['value']> =>
  'add' in question ? rooms.add(question.add) : rooms.in(question.in);
