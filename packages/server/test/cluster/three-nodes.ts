import { defineHub } from '@hubline/protocol';
import {
  createHubServer,
  type Context,
  type Filter,
  type Hub,
  type HubServer,
  type HubServerOptions,
  type Loss,
  type Target,
} from '@hubline/server';
import { faultyBackplane } from '@hubline/testing';
import type { Clock } from '../../src/connection/index.ts';
import { RawClient, type Answer } from './raw-client.ts';
import { tapBackplane, type TappedBackplane } from './tapped-backplane.ts';

export interface Room {
  join(group: string): Promise<void>;
  leave(group: string): Promise<void>;
  /** Sends from inside a method, to a filter, `"caller"`, `"others"` or `{ othersInGroup }`. */
  tell(whom: unknown, text: string): Promise<void>;
}
export interface TargetParts {
  welcome(connectionId: string): void;
  said(text: unknown): void;
  confirm(question: unknown): Promise<string>;
}
export interface Attributes {
  role: string;
  level: string | number | boolean;
  note: string;
}
export const room = defineHub<Room, TargetParts, Attributes>('room');

export interface Node {
  readonly nodeId: string;
  readonly server: HubServer;
  readonly hub: Hub<TargetParts, Attributes>;
  readonly url: string;
  readonly losses: Loss[];
  readonly errors: { readonly stage: string; readonly error: unknown }[];
}

export interface ClientSetup extends Partial<Attributes> {
  readonly user?: string;
  readonly answer?: Answer;
  /** Additional members of the handshake request. */
  readonly extensions?: object;
}

type MethodTarget = 'caller' | 'others' | { readonly othersInGroup: string } | Filter<Attributes>;

function targetOf({ clients }: Context<TargetParts, Attributes>, whom: MethodTarget): Target<TargetParts> {
  if (whom === 'caller' || whom === 'others') return clients[whom];
  return 'othersInGroup' in whom ? clients.othersInGroup(whom.othersInGroup) : clients.matching(whom);
}

export interface StartOptions extends Pick<HubServerOptions, 'accept' | 'timeouts'> {
  /** Uses the hub without options, so the node only sends and queries. */
  readonly bare?: boolean;
  readonly clock?: Clock | undefined;
}

/** The nodes of one cluster in this process, and their clients. */
export class World implements AsyncDisposable {
  readonly memory = faultyBackplane();
  readonly tap: TappedBackplane = tapBackplane(this.memory);
  readonly faults = this.memory.faults;
  readonly #nodes: Node[] = [];
  readonly #clients: RawClient[] = [];

  async start(nodeId: string, { accept = true, bare = false, timeouts = {}, clock }: StartOptions = {}): Promise<Node> {
    const options = { nodeId, accept, backplane: this.tap, timeouts: { lingerMs: 20, callMs: 3000, ...timeouts } };
    const server = createHubServer(options, clock);
    const hub = bare ? server.hub(room) : hostRoom(server);
    const losses: Node['losses'] = [];
    const errors: Node['errors'] = [];
    server.on('lost', (loss) => losses.push(loss));
    server.on('error', (stage, error) => errors.push({ stage, error }));
    const url = `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}/room`;
    await new Promise((resolve) => setImmediate(resolve)); // the other nodes learn of it
    const node = { nodeId, server, hub, url, losses, errors };
    this.#nodes.push(node);
    return node;
  }

  async client(node: Node, { user, answer, extensions, ...marks }: ClientSetup = {}): Promise<RawClient> {
    const url = new URL(node.url);
    if (user !== undefined) url.searchParams.set('user', user);
    url.searchParams.set('marks', JSON.stringify(marks));
    const client = await RawClient.connect(url.href, { answer, extensions });
    this.#clients.push(client);
    return client;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const open = this.#nodes.filter(({ server }) => server.health().status !== 'closed');
    for (const { nodeId } of open) {
      this.faults.heal(nodeId);
      this.faults.thaw(nodeId);
    }
    await Promise.all(this.#clients.map((client) => client[Symbol.asyncDispose]()));
    await Promise.all(this.#nodes.map(({ server }) => server.close()));
  }
}

export interface ThreeNodes {
  readonly world: World;
  readonly a: Node;
  readonly b: Node;
  readonly c: Node;
}

/** Starts the nodes `a`, `b` and `c`, which know each other. */
export async function threeNodes(options: StartOptions = {}): Promise<ThreeNodes & AsyncDisposable> {
  const world = new World();
  const a = await world.start('a', options);
  const b = await world.start('b', options);
  const c = await world.start('c', options);
  return { world, a, b, c, [Symbol.asyncDispose]: () => world[Symbol.asyncDispose]() };
}

function hostRoom(server: HubServer): Hub<TargetParts, Attributes> {
  return server.hub(room, {
    path: '/room',
    attributes: { role: 'indexed', level: 'indexed', note: 'plain' },
    authenticate({ url }) {
      const userId = url.searchParams.get('user');
      const attributes = JSON.parse(url.searchParams.get('marks') ?? '{}') as Partial<Attributes>;
      return { attributes, ...(userId === null ? {} : { userId }) };
    },
    connected(ctx) {
      ctx.clients.caller.send.welcome(ctx.connectionId);
    },
    methods: {
      async join(ctx, group) {
        await ctx.groups.add(group);
      },
      async leave(ctx, group) {
        await ctx.groups.remove(group);
      },
      async tell(ctx, whom, text) {
        await targetOf(ctx, whom as MethodTarget).send.said(text);
      },
    },
  });
}
