/// <reference lib="esnext.disposable" preserve="true" />
import { checkKnown, checkName, HublineError, invalidOption, type Contract } from '@hubline/protocol';
import { memoryBackplane, type Backplane, type NodeInfo } from './backplane/index.ts';
import type { Clock } from './connection/index.ts';
import {
  hostedOptions,
  HubHost,
  limitsFor,
  type Hub,
  type HubOptions,
  type PathHost,
  type Schemas,
  type SenderOptions,
} from './hub/index.ts';
import {
  checkDrain,
  checkedPath,
  checkHandlerOptions,
  checkServerOptions,
  Cluster,
  ConnectionAcceptor,
  LocalNode,
  nodesOf,
  RawHost,
  settingsFrom,
  type ConnectionHandlerFunction,
  type ConnectionHandlerOptions,
  type DrainOptions,
  type Health,
  type HubServerEvent,
  type HubServerEvents,
  type NodeOptions,
  type PathOptions,
  type ServerSettings,
  type SettingsOptions,
} from './node/index.ts';
import type { ClusterItems } from './presence/index.ts';
import {
  checkedHttpServer,
  Endpoint,
  InMemoryNetwork,
  OwnHttpServer,
  Router,
  type AttachOptions,
  type HttpServer,
} from './transports/index.ts';

export interface HubServerOptions extends SettingsOptions, NodeOptions {
  /** The backplane that joins nodes into a cluster. Default: in memory, for this server alone. */
  readonly backplane?: Backplane | undefined;
}

/** One node: hosts hubs, accepts their clients, and joins the cluster. `createHubServer` creates it. */
export interface HubServer extends AsyncDisposable {
  readonly nodeId: string;
  /** Hosts a hub. Without path and methods this node accepts no connections for it: it only sends, invokes and queries. */
  hub<H, R, A, const S extends Schemas<H> = Record<never, never>>(
    contract: Contract<H, R, A>,
    options?: HubOptions<H, R, A, S> | SenderOptions,
  ): Hub<R, A>;
  /** Hosts a path whose connections carry raw data over the same transports, without the hub protocol. */
  connectionHandler(path: string, handler: ConnectionHandlerFunction, options?: ConnectionHandlerOptions): void;
  /**
   * Serves the paths of the hubs, and no others, on an HTTP server of the program: Express, Fastify, Hono, plain. If that HTTP server is
   * closed, its connections are closed as by {@link drain}; this server stays open.
   */
  attach(server: HttpServer, options?: AttachOptions): void;
  /** Connects clients of the same process without sockets, for tests: see `connectInMemory` of `@hubline/testing`. */
  readonly inMemory: InMemoryNetwork;
  /**
   * Listens on an HTTP server of its own, after {@link ready}. Port 0 chooses a free port. Resolves with the port. Rejects as `ready`
   * does, or with Node's error.
   */
  listen(port: number, host?: string): Promise<number>;
  /**
   * Resolves when this node is registered with its backplanes, except unreachable ones that are not required.
   * @throws HublineError `backplane_unavailable` if a required backplane is unreachable: `startWithoutRedis: false`
   */
  ready(): Promise<void>;
  /** Returns the nodes of the cluster, of all applications and backplanes. `complete` is false while a backplane is down. */
  nodes(): Promise<ClusterItems<NodeInfo>>;
  /** Returns the present state of this node and its backplanes. */
  health(): Health;
  /**
   * Refuses new connections with 503, and closes the present ones over `spreadMs`, each when its calls have ended or `graceMs` is over.
   * The clients reconnect to other nodes. Then the server stops listening.
   */
  drain(options?: DrainOptions): Promise<void>;
  /** Drains without `spreadMs`, leaves the cluster and frees all resources. Idempotent and final. */
  close(options?: Pick<DrainOptions, 'graceMs'>): Promise<void>;
  /** Adds a listener, and returns a function that removes it. An error or rejection of the listener is an `error` event. */
  on<E extends HubServerEvent>(event: E, listener: (...args: HubServerEvents[E]) => void): () => void;
}

/** `clock` is for tests. */
export function createHubServer(options: HubServerOptions = {}, clock?: Clock): HubServer {
  checkServerOptions(options);
  return new NodeHubServer(options, settingsFrom(options, clock));
}

/** The composition root: creates and connects all parts of a server. */
class NodeHubServer implements HubServer {
  readonly nodeId: string;
  readonly nodes = (): Promise<ClusterItems<NodeInfo>> => nodesOf([...this.#clusters.values()]);
  readonly #node: LocalNode;
  /** By the clock that only goes forward. */
  readonly #createdAt: number;
  readonly #backplane: Backplane;
  readonly #router = new Router();
  readonly inMemory = new InMemoryNetwork(this.#router);
  readonly #clusters = new Map<Backplane, Cluster>();
  /** By the hub's name, or the path of a connection handler. */
  readonly #hosts = new Map<string, PathHost>();
  readonly #listeners: OwnHttpServer[] = [];
  #closing: Promise<void> | undefined;

  constructor(options: HubServerOptions, settings: ServerSettings) {
    this.#node = new LocalNode(options, settings);
    this.nodeId = this.#node.info.nodeId;
    this.#createdAt = settings.clock.elapsed();
    this.#backplane = options.backplane ?? memoryBackplane();
    this.#cluster(this.#backplane);
  }

  hub<H, R, A, const S extends Schemas<H> = Record<never, never>>(
    contract: Contract<H, R, A>,
    given: HubOptions<H, R, A, S> | SenderOptions = {},
  ): Hub<R, A> {
    this.#checkOpen();
    checkKnown(contract, ['name', 'kinds', '~types'], { within: 'contract' });
    if (this.#hosts.has(checkName(contract.name, 'name'))) throw hostedAlready('name', contract.name);
    const options = hostedOptions(given);
    const path = options && this.#checkedPath(options, contract.name);
    const { settings, detailedErrors, turn, events, info } = this.#node;
    const limits = limitsFor(settings.limits, options?.limits);
    const cluster = this.#cluster(given.backplane ?? this.#backplane);
    const environment = { cluster, settings: { ...settings, limits, detailedErrors, turn, nodeId: info.nodeId }, report: events.report };
    const host = new HubHost<H, R, A, S>(contract, options, environment);
    this.#hosts.set(contract.name, host);
    if (path) this.#open(path, host);
    return host.hub;
  }

  connectionHandler(path: string, handler: ConnectionHandlerFunction, options: ConnectionHandlerOptions = {}): void {
    this.#checkOpen();
    checkHandlerOptions(handler, options);
    const { settings, turn, events } = this.#node;
    const checked = this.#checkedPath({ ...options, path });
    const host = new RawHost(handler, options, { settings: { ...settings, turn }, report: events.report });
    this.#hosts.set(checked.path, host);
    this.#open(checked, host);
  }

  attach(server: HttpServer, options: AttachOptions = {}): void {
    checkDrain(options);
    this.#router.attach(checkedHttpServer(server), (attachment) => this.#node.drain(options, attachment));
  }

  async listen(port: number, host?: string): Promise<number> {
    this.#checkOpen();
    if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalidOption('port', 'must be a whole number from 0 to 65535');
    await this.ready(); // a client never connects to a node that is not part of the cluster yet
    const listener = new OwnHttpServer();
    const bound = await listener.listen(port, host);
    this.attach(listener.server);
    this.#listeners.push(listener);
    return bound;
  }

  async ready(): Promise<void> {
    await Promise.all([...this.#clusters.values()].map((cluster) => cluster.ready()));
  }

  health(): Health {
    const { state, outage } = this.#cluster(this.#backplane).link;
    const backplanes = [...this.#clusters.values()].map(({ health }) => health);
    return {
      status:
        this.#closing ? 'closed'
        : !this.#node.isOpen ? 'draining'
        : backplanes.every(({ state }) => state === 'up') ? 'ok'
        : 'degraded',
      nodeId: this.nodeId,
      connections: this.#node.connections,
      backplane: state,
      ...(outage && { outage }),
      backplanes,
      uptimeMs: this.#node.settings.clock.elapsed() - this.#createdAt,
    };
  }

  async drain(options: DrainOptions = {}): Promise<void> {
    checkDrain(options);
    this.#node.isOpen = false;
    await this.#node.drain(options);
    for (const listener of this.#listeners) void listener.close(); // until now clients fetched answers and Close messages
  }

  close(options: Pick<DrainOptions, 'graceMs'> = {}): Promise<void> {
    checkDrain(options);
    return (this.#closing ??= this.#close(options));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  on<E extends HubServerEvent>(event: E, listener: (...args: HubServerEvents[E]) => void): () => void {
    return this.#node.events.on(event, listener);
  }

  async #close(options: DrainOptions): Promise<void> {
    await this.drain(options);
    const { clock, timeouts } = this.#node.settings;
    let undo = (): void => undefined;
    const timeout = new Promise<void>((resolve) => (undo = clock.after(timeouts.closeMs, resolve)));
    void timeout.then(() => this.#listeners.forEach((listener) => listener.cut()));
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    await Promise.race([timeout, Promise.all([...this.#hosts.values()].map((host) => host.finished()))]);
    undo();
    this.#router.detach();
    await Promise.all([...this.#clusters.values()].map((cluster) => cluster.close()));
  }

  /** @throws HublineError `invalid_option` */
  #checkedPath(options: Parameters<typeof checkedPath>[0], hub?: string): PathOptions {
    const path = checkedPath(options, this.#node, hub);
    if (this.#router.has(path.path)) throw hostedAlready('path', options.path);
    return path;
  }

  #open(path: PathOptions, host: PathHost): void {
    const { info, upgrader, proxies, settings, events } = this.#node;
    if (!info.accepts) return;
    const acceptor = new ConnectionAcceptor(path, host, this.#node);
    const report = (error: unknown): void => events.report('request', error);
    const { origins } = path;
    this.#router.add(path.path, new Endpoint({ acceptor, upgrader, origins, proxies, timeouts: settings.timeouts, report }));
  }

  #cluster(backplane: Backplane): Cluster {
    let cluster = this.#clusters.get(backplane);
    if (!cluster) this.#clusters.set(backplane, (cluster = new Cluster(backplane, this.#node)));
    return cluster;
  }

  /** @throws HublineError `shutdown` */
  #checkOpen(): void {
    if (!this.#node.isOpen) throw new HublineError('shutdown', 'This server is closed.', {});
  }
}

const hostedAlready = (option: string, value: string): HublineError<'invalid_option'> =>
  new HublineError('invalid_option', `A hub with the ${option} '${value}' is hosted already.`, { option });
