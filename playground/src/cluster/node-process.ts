import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Message } from '../contract.ts';
import type { History, NewMessage } from './history.ts';
import type { LaunchOptions, RunningNode } from './running-node.ts';

/** The options of the process, its only argument, as JSON. */
export type NodeProcessOptions = Pick<LaunchOptions, 'nodeId' | 'nodeIds' | 'origins' | 'port' | 'host'> & { readonly redis: string };

/** The message that the node listens, or that it failed. */
export type Readiness = { readonly port: number } | { readonly failed: string; readonly code: string | undefined };

export type NodeMessage =
  | Readiness
  /** A line for the user. */
  | { readonly line: string }
  | ({ readonly requestId: number } & HistoryRequest);

/** A request for the history, which the parent process keeps. */
export type HistoryRequest = { readonly add: NewMessage } | { readonly in: string };

export interface HistoryReply {
  readonly requestId: number;
  readonly value: Message | readonly Message[];
}

/** The built program of the node. Tests that run the sources use it too. */
const PROGRAM = new URL('../../build/cluster/node-main.js', import.meta.url);

/** A node in a process of its own. It closes when its channel to this process closes, even if this process is killed. */
export class NodeProcess implements RunningNode {
  readonly port: number;
  readonly #child: ChildProcess;

  private constructor(port: number, child: ChildProcess) {
    this.port = port;
    this.#child = child;
  }

  /** Starts the process. @throws Error with the code of the failure: EADDRINUSE if the port is busy */
  static async start({ redis, history, report, ...options }: LaunchOptions & { readonly redis: string }): Promise<NodeProcess> {
    const { nodeId, nodeIds, origins, port, host } = options;
    const processOptions: NodeProcessOptions = { nodeId, nodeIds, origins, port, host, redis };
    const child = fork(PROGRAM, [JSON.stringify(processOptions)], { execArgv: [] });
    const readiness = await new Promise<Readiness>((resolve) => {
      child.on('message', (message: NodeMessage) => {
        if ('line' in message) report(message.line);
        else if ('port' in message || 'failed' in message) resolve(message);
        else void reply(message, history).then((value) => child.send({ requestId: message.requestId, value }, ignoreError));
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

/** The node may have ended before its reply is sent. */
const ignoreError = (): void => {};

const reply = (request: HistoryRequest, history: History): Promise<HistoryReply['value']> =>
  'add' in request ? history.add(request.add) : history.in(request.in);
