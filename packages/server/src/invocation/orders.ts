import { asError, HublineError, isHublineError } from '@hubline/protocol';
import type { Directory, NodeInfo, ProcessId, Shortfall } from '../backplane/index.ts';
import { processOf, type Clock } from '../connection/index.ts';
import type { Selector } from '../membership/index.ts';
import { isComplete, unreachable, type Nodes } from '../presence/index.ts';
import type { Asks } from './asks.ts';

/** What a node does to its own connections when another one, or it itself, says so. */
export interface Executor {
  /** @throws HublineError `connection_gone` */
  joinGroup(connectionId: string, group: string): Promise<void>;
  /** @throws HublineError `connection_gone` */
  leaveGroup(connectionId: string, group: string): Promise<void>;
  /** @throws HublineError `connection_gone` */
  setAttribute(connectionId: string, key: string, value: string | number | boolean): Promise<void>;
  /** The number of connections that were ended. */
  disconnect(selector: Selector, reason: string | undefined): Promise<number>;
}

export type Order =
  | { readonly hub: string; readonly do: 'join' | 'leave'; readonly connectionId: string; readonly group: string }
  | {
      readonly hub: string;
      readonly do: 'set';
      readonly connectionId: string;
      readonly key: string;
      readonly value: string | number | boolean;
    }
  | { readonly hub: string; readonly do: 'disconnect'; readonly target: Selector; readonly reason?: string };

export interface OrdersOptions {
  readonly asks: Asks;
  readonly nodes: Nodes;
  /** Announces nodes that have not been heard of yet. */
  readonly directory: Pick<Directory, 'nodes'>;
  readonly clock: Clock;
  readonly timeoutMs: number;
  readonly executor: (hub: string) => Executor | undefined;
}

/** What came of a disconnect. Security is not fire-and-forget: a node that did not acknowledge is named. */
export interface Disconnected {
  readonly disconnected: number;
  /**
   * By `nodeId`: those that did not answer in time or could not be asked, and those that this node has known, whose lease
   * ended within the last minute, and that are not back. They may do it yet, when they go on.
   */
  readonly missingNodes: readonly string[];
}

const ORDER = 'order';
const ASKED: Shortfall = { missing: [], isBlind: false };

/** Changes to connections, carried out by the node that holds them and acknowledged by it. */
export class Orders {
  readonly #options: OrdersOptions;

  constructor(options: OrdersOptions) {
    this.#options = options;
    options.asks.answer<Order>(ORDER, ({ params }, reply) => {
      execute(params, options.executor(params.hub)).then(
        (value) => reply({ value }, true),
        (error: unknown) => reply({ error: failureOf(error) }, true),
      );
      return undefined;
    });
  }

  /** For the connection's own node. @throws HublineError `connection_gone`, `node_lost`, `node_silent`, `backplane_unavailable` … */
  async toOwner(order: Order & { readonly connectionId: string }): Promise<void> {
    const { nodes, directory } = this.#options;
    const process = processOf(order.connectionId);
    const unseen = nodes.get(process) ? ASKED : await directory.nodes();
    if (!nodes.get(process)) throw isComplete(unseen) ? connectionGone(order.connectionId) : unreachable(unseen.missing);
    await this.#give(process, order);
  }

  /**
   * For one node, or for all: who registers at this moment is in no directory yet. A lease that ended says nothing of the
   * connections, which a frozen node takes up again: it is told without waiting for it. @throws HublineError
   * `backplane_unavailable` where not everybody was told and nobody can be named; `local` were ended all the same
   */
  async disconnect(order: Order & { readonly do: 'disconnect' }): Promise<Disconnected> {
    const { nodes, directory } = this.#options;
    const owner = 'connection' in order.target ? processOf(order.target.connection) : undefined;
    const unseen = owner !== undefined && nodes.get(owner) ? ASKED : await directory.nodes();
    const isMeant = ({ process }: NodeInfo): boolean => owner === undefined || process === owner;
    let disconnected = 0;
    const missing = new Map<ProcessId, string>();
    const give = async ({ process, nodeId }: NodeInfo): Promise<void> => {
      missing.set(process, nodeId);
      try {
        const ended = await this.#give(process, order);
        disconnected += ended ?? 0; // after waiting: others add to it meanwhile
      } catch (error) {
        // Who has said goodbye has no connections left to end.
        const isLost = isHublineError(error) && error.code === 'node_lost';
        if (!isLost || nodes.lapsed().some((node) => node.process === process)) return;
      }
      missing.delete(process);
    };
    const [lapsed, live] = [nodes.lapsed().filter(isMeant), nodes.all().filter(isMeant)];
    for (const node of lapsed) void give(node);
    await Promise.all(live.map(give));
    const isNowhere = lapsed.length + live.length === 0; // it may be on any that could not be asked
    const missingNodes = isNowhere ? unseen.missing : [...new Set(missing.values())];
    if (unseen.isBlind && missingNodes.length === 0) throw unreachable(missingNodes, disconnected);
    return { disconnected, missingNodes };
  }

  #give(process: ProcessId, order: Order): Promise<number | undefined> {
    const { asks, clock, nodes, timeoutMs } = this.#options;
    return new Promise((resolve, reject) => {
      const stopTimer = clock.after(timeoutMs, () => {
        giveUp();
        reject(
          new HublineError('node_silent', `Node '${nodes.nameOf(process)}' did not answer within ${timeoutMs} ms.`, {
            nodeId: nodes.nameOf(process),
          }),
        );
      });
      const giveUp = asks.ask(
        process,
        { op: ORDER, params: order, evenIfLost: true },
        {
          reply: (reply) => {
            stopTimer();
            const { error, value } = reply.value as { readonly error?: ReturnType<typeof failureOf>; readonly value?: number };
            if (error)
              reject(new HublineError(error.code, error.message, error.details)); // as the other node made it
            else resolve(value);
          },
          failed: (error) => {
            stopTimer();
            reject(error);
          },
        },
      );
    });
  }
}

export const connectionGone = (connectionId: string): HublineError<'connection_gone'> =>
  new HublineError('connection_gone', `Connection '${connectionId}' does not exist.`, { connectionId });

async function execute(order: Order, executor: Executor | undefined): Promise<number | undefined> {
  if (!executor) return order.do === 'disconnect' ? 0 : Promise.reject(connectionGone(order.connectionId)); // the hub is not served here
  switch (order.do) {
    case 'join':
      return void (await executor.joinGroup(order.connectionId, order.group));
    case 'leave':
      return void (await executor.leaveGroup(order.connectionId, order.group));
    case 'set':
      return void (await executor.setAttribute(order.connectionId, order.key, order.value));
    case 'disconnect':
      return executor.disconnect(order.target, order.reason);
  }
}

function failureOf(error: unknown) {
  return isHublineError(error) ?
      { code: error.code, message: error.message, details: error.details }
    : { code: 'internal' as const, message: asError(error).message, details: {} };
}
