import { checkName, HublineError, isHublineError } from '@hubline/protocol';
import { read, type Directory, type NodeInfo, type ProcessId, type Read } from '../backplane/index.ts';
import { processOf, type Clock } from '../connection/index.ts';
import { readSelector, type Selector } from '../membership/index.ts';
import { isComplete, NONE_MISSING, nodesUnavailable, type ClusterValue, type ClusterNodes } from '../presence/index.ts';
import type { NodeRequests } from './node-requests.ts';

/** Carries out remote commands on this node's connections of one hub. */
export interface Executor {
  /** @throws HublineError `connection_gone` */
  joinGroup(connectionId: string, group: string): Promise<void>;
  /** @throws HublineError `connection_gone` */
  leaveGroup(connectionId: string, group: string): Promise<void>;
  /** @throws HublineError `connection_gone` */
  setAttribute(connectionId: string, key: string, value: string | number | boolean): Promise<void>;
  /** Returns the number of connections that are then in the group. */
  joinMatching(selector: Selector, group: string): Promise<number>;
  /** Returns the number of connections that are then not in the group. */
  leaveMatching(selector: Selector, group: string): Promise<number>;
  /** Returns the number of ended connections. */
  disconnect(selector: Selector, farewell: DisconnectCommand): Promise<number>;
  /** Returns the check of a client's result, or undefined if the receiver's method has no schema. */
  resultCheck(method: string): ((result: unknown) => Promise<CheckedResult>) | undefined;
}

/** The fields of the Close message to the client. */
export interface DisconnectCommand {
  /** A text for people. */
  readonly reason?: string | undefined;
  /** A code of the application. */
  readonly code?: string | undefined;
  readonly allowReconnect?: boolean | undefined;
}

/** A client's result as the schema returned it, or the error of the schema. */
export type CheckedResult = { readonly value: unknown } | { readonly message: string };

/** A change to connections. It is carried out at any age. */
export type RemoteCommand =
  | { readonly hub: string; readonly do: 'join' | 'leave'; readonly connectionId: string; readonly group: string }
  | {
      readonly hub: string;
      readonly do: 'set';
      readonly connectionId: string;
      readonly key: string;
      readonly value: string | number | boolean;
    }
  | { readonly hub: string; readonly do: 'joinMatching' | 'leaveMatching'; readonly target: Selector; readonly group: string }
  | ({ readonly hub: string; readonly do: 'disconnect'; readonly target: Selector } & DisconnectCommand);

type RemoteCommandFor<D extends RemoteCommand['do']> = RemoteCommand & { readonly do: D };

const readAttribute: Read<string | number | boolean> = (value) =>
  typeof value === 'boolean' || typeof value === 'string' ? value : read.number(value);

const READERS: { readonly [D in RemoteCommand['do']]: Read<Omit<RemoteCommandFor<D>, 'do'>> } = {
  join: read.fields({ hub: read.text, connectionId: read.text, group: read.name }),
  leave: read.fields({ hub: read.text, connectionId: read.text, group: read.name }),
  set: read.fields({ hub: read.text, connectionId: read.text, key: read.text, value: readAttribute }),
  joinMatching: read.fields({ hub: read.text, target: readSelector, group: read.name }),
  leaveMatching: read.fields({ hub: read.text, target: readSelector, group: read.name }),
  disconnect: read.fields({
    hub: read.text,
    target: readSelector,
    reason: read.optional(read.text),
    code: read.optional((code) => checkName(code, 'code')),
    allowReconnect: read.optional(read.flag),
  }),
};

const readCommand: Read<RemoteCommand> = (value) => {
  const { do: what } = read.fields({ do: read.text })(value);
  if (!Object.hasOwn(READERS, what))
    throw new HublineError('unknown_method', `This node does not know the command '${what}'.`, { method: what });
  return { do: what, ...READERS[what as RemoteCommand['do']](value) } as RemoteCommand;
};

export interface RemoteCommandsOptions {
  readonly requests: NodeRequests;
  readonly nodes: ClusterNodes;
  /** Reading the nodes announces those that are not known yet. */
  readonly directory: Pick<Directory, 'nodes'>;
  readonly clock: Clock;
  readonly timeoutMs: number;
  /** The hubs that this node serves. */
  readonly executors: ReadonlyMap<string, Executor>;
}

const COMMAND = 'command';

/** Sends changes to the nodes of the connections, which carry them out and acknowledge them. */
export class RemoteCommands {
  readonly #options: RemoteCommandsOptions;

  constructor(options: RemoteCommandsOptions) {
    this.#options = options;
    options.requests.handle(COMMAND, readCommand, async ({ params }) => ({
      value: { count: await execute(params, options.executors.get(params.hub)) },
    }));
  }

  /** Sends a command to the connection's own node. @throws HublineError `connection_gone`, `node_lost`, `node_silent`, `backplane_unavailable` … */
  async toOwner(command: RemoteCommand & { readonly connectionId: string }): Promise<void> {
    const { nodes, directory } = this.#options;
    const process = processOf(command.connectionId);
    const unread = nodes.get(process) ? NONE_MISSING : await directory.nodes();
    if (!nodes.get(process)) throw isComplete(unread) ? connectionGone(command.connectionId) : nodesUnavailable(unread.missing);
    await this.#send(process, command);
  }

  /**
   * Sends a command to the node of the selected connection, or else to all nodes: a connection that is being registered is not in the directory
   * yet. A node whose lease has expired receives the command too, but its reply is not awaited: it may be frozen, and still have its
   * connections. @throws HublineError `backplane_unavailable` if a missing node cannot be named; `local` connections were changed all the same
   *
   * `missingNodes` are the nodes that did not reply in time or could not be asked, and the nodes whose lease expired within the last minute
   * and that have not joined again under any process. They may still carry out the command.
   */
  async toMatching(command: RemoteCommandFor<'disconnect' | 'joinMatching' | 'leaveMatching'>): Promise<ClusterValue<number>> {
    const { nodes, directory } = this.#options;
    const owner = 'connection' in command.target ? processOf(command.target.connection) : undefined;
    const unread = owner !== undefined && nodes.get(owner) ? NONE_MISSING : await directory.nodes();
    const isMeant = ({ process }: NodeInfo): boolean => owner === undefined || process === owner;
    let changed = 0;
    const missing = new Map<ProcessId, string>();
    const send = async ({ process, nodeId }: NodeInfo): Promise<void> => {
      missing.set(process, nodeId);
      try {
        const count = await this.#send(process, command);
        changed += count; // not `changed += await …`: other replies add to it meanwhile
      } catch (error) {
        // A node that left the cluster, or was restarted, has no connections any more.
        const isLost = isHublineError(error) && error.code === 'node_lost';
        if (!isLost || nodes.expired().some((node) => node.process === process)) return;
      }
      missing.delete(process);
    };
    const [expired, live] = [nodes.expired().filter(isMeant), nodes.all().filter(isMeant)];
    for (const node of expired) void send(node);
    await Promise.all(live.map(send));
    const isUnknown = expired.length + live.length === 0; // the connection may be on any node that could not be asked
    const named = [...missing].flatMap(([process, nodeId]) => (nodes.isReplaced(process) ? [] : nodeId));
    const missingNodes = isUnknown ? unread.missing : [...new Set(named)];
    if (unread.hasUnknownNodes && missingNodes.length === 0) throw nodesUnavailable(missingNodes, changed);
    return { value: changed, complete: missingNodes.length === 0 && !unread.hasUnknownNodes, missingNodes };
  }

  /** Sends the command to one process, and returns the number of changed connections. */
  async #send(process: ProcessId, command: RemoteCommand): Promise<number> {
    const { requests, timeoutMs } = this.#options;
    for await (const { value } of requests.send(process, { op: COMMAND, params: command }, { timeoutMs, isCommand: true })) {
      return readDone(value).count;
    }
    return 0;
  }
}

const readDone = read.fields({ count: read.count });

export const connectionGone = (connectionId: string): HublineError<'connection_gone'> =>
  new HublineError('connection_gone', `Connection '${connectionId}' does not exist.`, { connectionId });

async function execute(command: RemoteCommand, executor: Executor | undefined): Promise<number> {
  // this node does not serve the hub
  if (!executor) return 'target' in command ? 0 : Promise.reject(connectionGone(command.connectionId));
  switch (command.do) {
    case 'join':
      await executor.joinGroup(command.connectionId, command.group);
      return 1;
    case 'leave':
      await executor.leaveGroup(command.connectionId, command.group);
      return 1;
    case 'set':
      await executor.setAttribute(command.connectionId, command.key, command.value);
      return 1;
    case 'joinMatching':
      return executor.joinMatching(command.target, command.group);
    case 'leaveMatching':
      return executor.leaveMatching(command.target, command.group);
    case 'disconnect':
      return executor.disconnect(command.target, command);
  }
}
