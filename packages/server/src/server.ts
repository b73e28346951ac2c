/// <reference lib="esnext.disposable" preserve="true" />
import { hostname } from 'node:os';
import { checkKnown, checkName, invalidOption, HublineError, type Contract, type Logger } from '@hubline/protocol';
import { memoryBackplane, type Backplane, type NodeInfo } from './backplane/index.ts';
import {
  Connection,
  ConnectionQuota,
  newProcessId,
  Heartbeat,
  RawConnection,
  Turn,
  type Clock,
  type ConnectionHandler,
  type Identity,
  type Session,
} from './connection/index.ts';
import {
  checkedRedirect,
  checkedTransports,
  callHook,
  guardHook,
  hostedOptions,
  HubHost,
  limitsFor,
  type AcceptOptions,
  type CheckedAcceptOptions,
  type Hub,
  type HubOptions,
  type Limits,
  type Schemas,
  type SenderOptions,
} from './hub/index.ts';
import {
  beatMs,
  checkDrain,
  checkHandlerOptions,
  checkServerOptions,
  Cluster,
  ConnectionAcceptor,
  drain,
  nodesOf,
  RawHost,
  ServerEvents,
  settingsFrom,
  type AcceptedConnection,
  type ClusterEvents,
  type ConnectionHandlerFunction,
  type ConnectionHandlerOptions,
  type DrainOptions,
  type Health,
  type HubServerEvent,
  type HubServerEvents,
  type Settings,
  type SettingsOptions,
} from './node/index.ts';
import type { ClusterItems } from './presence/index.ts';
import {
  type Attachment,
  checkedHttpServer,
  Endpoint,
  hostedPath,
  Router,
  Listener,
  NodeAffinity,
  OriginPolicy,
  proxiesOf,
  WebSocketUpgrader,
  type AffinityOptions,
  type AttachOptions,
  type AuthenticationRequest,
  type HttpServer,
  type OpeningRequest,
  type Origins,
  type Transport,
} from './transports/index.ts';

export interface HubServerOptions extends SettingsOptions {
  /** The node's name for people and balancers. Default: host name and process id. */
  readonly nodeId?: string | undefined;
  /** The application that this node belongs to. Several may host one hub. Default `"hubline"`. */
  readonly app?: string | undefined;
  /** Default true. False for a node that takes no connections: it only sends, asks and queries. */
  readonly accept?: boolean | undefined;
  /** The backplane that joins nodes into a cluster. Default: in memory, for this server alone. */
  readonly backplane?: Backplane | undefined;
  /** How requests of one connection find this node through a balancer. */
  readonly affinity?: AffinityOptions | undefined;
  /**
   * How many proxies of yours stand before this server; true is one. Then `X-Forwarded-For`, `-Proto` and `-Host` are
   * believed as far as these wrote them. Default false: anybody can send them.
   */
  readonly trustProxy?: boolean | number | undefined;
  /** Stands before the path of every hub, where a proxy passes it on: `/app`. */
  readonly pathPrefix?: string | undefined;
  /** Tells clients the name and message of errors that methods throw. Default false: they may hold secrets. */
  readonly detailedErrors?: boolean | undefined;
  /**
   * Takes a line per event: `error` for failures, `warn` and `info` for the rest. Default: failures go to `console.error`
   * unless something listens for `error`.
   */
  readonly logger?: Logger | undefined;
}

export interface HubServer extends AsyncDisposable {
  readonly nodeId: string;
  /** Hosts a hub. Without path and methods this node takes no connections for it, and only sends to it, invokes and queries. */
  hub<H, R, A, const S extends Schemas<H> = Record<never, never>>(
    contract: Contract<H, R, A>,
    options?: HubOptions<H, R, A, S> | SenderOptions,
  ): Hub<R, A>;
  /** Hosts a path whose connections carry raw data over the same transports, without the hub protocol. */
  connectionHandler(path: string, handler: ConnectionHandlerFunction, options?: ConnectionHandlerOptions): void;
  /**
   * Takes the hubs' paths, and nothing else, from an HTTP server that is yours: Express, Fastify, Hono, plain. When that is closed, its
   * clients are sent elsewhere, as by {@link drain}; this server stays open.
   */
  attach(server: HttpServer, options?: AttachOptions): void;
  /** Listens on a server of its own, once {@link ready}. Port 0 takes a free one. Resolves with the port; rejects as `ready` does, or with Node's error. */
  listen(port: number, host?: string): Promise<number>;
  /**
   * Resolves when this node is registered with its backplanes, or when one cannot be reached and does not require it.
   * @throws HublineError `backplane_unavailable` where it requires it: `startWithoutRedis: false`
   */
  ready(): Promise<void>;
  /** The nodes of the cluster, of all applications and backplanes. While a backplane cannot be asked `complete` is false. */
  nodes(): Promise<ClusterItems<NodeInfo>>;
  health(): Health;
  /**
   * Takes no more connections (503) and sends those it has elsewhere, spread over `spreadMs`, each when its calls have ended or `graceMs`
   * is over. Then it stops to {@link listen}.
   */
  drain(options?: DrainOptions): Promise<void>;
  /** Drains at once, with `graceMs`; leaves the cluster and frees all resources. Idempotent, and final. */
  close(options?: Pick<DrainOptions, 'graceMs'>): Promise<void>;
  /** Adds a listener, and returns a function that removes it. What a listener throws, or rejects with, is an `error` event. */
  on<E extends HubServerEvent>(event: E, listener: (...args: HubServerEvents[E]) => void): () => void;
}

/** `clock` is for tests. */
export function createHubServer(options: HubServerOptions = {}, clock?: Clock): HubServer {
  checkServerOptions(options);
  return new NodeHubServer(options, settingsFrom(options, clock));
}

/** A hub or a connection handler, as the server drives it behind a path. */
interface Host {
  authenticate(request: AuthenticationRequest): Promise<Identity>;
  /** Settles when user code that runs for ended connections has finished. */
  left(): Promise<unknown>;
}

/** The checked options of a path: how clients reach a hub or a connection handler. */
interface Door extends CheckedAcceptOptions {
  readonly hub: string | undefined;
  readonly origins: OriginPolicy;
}

type Connect = (session: Session, request: OpeningRequest, transport: Transport) => AcceptedConnection;

/** The composition root: the one place that knows every part. */
class NodeHubServer implements HubServer {
  readonly nodeId: string;
  readonly nodes = (): Promise<ClusterItems<NodeInfo>> => nodesOf([...this.#clusters.values()]);
  readonly #self: NodeInfo;
  readonly #settings: Settings;
  /** By the clock that only goes forward. */
  readonly #createdAt: number;
  readonly #detailedErrors: boolean;
  readonly #backplane: Backplane;
  readonly #events: ServerEvents;
  readonly #router = new Router();
  readonly #turn = new Turn();
  readonly #heartbeat: Heartbeat;
  readonly #quota: ConnectionQuota;
  readonly #affinity: NodeAffinity;
  readonly #proxies: number;
  readonly #pathPrefix: string;
  readonly #upgrader: WebSocketUpgrader;
  readonly #clusters = new Map<Backplane, Cluster>();
  readonly #hosts = new Map<string, Host>();
  /** The connections with an open transport, also those before the handshake, and the HTTP server that each came through. */
  readonly #accepted = new Map<AcceptedConnection, Attachment>();
  readonly #listeners: Listener[] = [];
  #isOpen = true;
  #closing: Promise<void> | undefined;

  constructor(options: HubServerOptions, settings: Settings) {
    const { nodeId = `${hostname()}-${process.pid}`, app = 'hubline', accept = true, backplane = memoryBackplane() } = options;
    const { clock, limits, timeouts } = settings;
    this.nodeId = checkName(nodeId, 'nodeId');
    this.#self = { nodeId, process: newProcessId(), app: checkName(app, 'app'), accepts: accept, startedAt: clock.now() };
    this.#settings = settings;
    this.#createdAt = clock.elapsed();
    this.#events = new ServerEvents(options.logger);
    this.#detailedErrors = options.detailedErrors ?? false;
    this.#proxies = proxiesOf(options.trustProxy);
    this.#pathPrefix = hostedPath(options.pathPrefix ?? '', 'pathPrefix');
    this.#affinity = new NodeAffinity(nodeId, options.affinity);
    this.#backplane = backplane;
    this.#heartbeat = new Heartbeat(clock, beatMs(timeouts), (error) => this.#events.report('heartbeat', error));
    this.#quota = new ConnectionQuota({ limits, clock, report: (error) => this.#events.report('limit', error) });
    const { closeMs, sendMs: sendTimeoutMs, keepAliveMs } = timeouts;
    this.#upgrader = new WebSocketUpgrader({ afterClose: (then) => clock.after(closeMs, then), sendTimeoutMs, keepAliveMs });
    this.#cluster(backplane);
  }

  hub<H, R, A, const S extends Schemas<H> = Record<never, never>>(
    contract: Contract<H, R, A>,
    given: HubOptions<H, R, A, S> | SenderOptions = {},
  ): Hub<R, A> {
    if (!this.#isOpen) throw closed();
    checkKnown(contract, ['name', 'kinds', '~types'], { within: 'contract' });
    if (this.#hosts.has(checkName(contract.name, 'name'))) throw taken('name', contract.name);
    const options = hostedOptions(given);
    const door = options && this.#door(options, contract.name);
    const limits = limitsFor(this.#settings.limits, options?.limits);
    const cluster = this.#cluster(given.backplane ?? this.#backplane);
    const environment = { cluster, maxGroups: limits.maxGroups, detailedErrors: this.#detailedErrors, report: this.#events.report };
    const host = new HubHost<H, R, A, S>(contract, options, environment);
    this.#hosts.set(contract.name, host);
    if (door) this.#open(door, host, this.#hubConnections(host, limits));
    return host.hub;
  }

  connectionHandler(path: string, handler: ConnectionHandlerFunction, options: ConnectionHandlerOptions = {}): void {
    if (!this.#isOpen) throw closed();
    checkHandlerOptions(handler, options);
    const door = this.#door({ ...options, path });
    const host = new RawHost(handler, options, this.#events.report);
    const { limits, timeouts, clock } = this.#settings;
    const settings = { limits, messageTimeoutMs: timeouts.messageMs, clientTimeoutMs: timeouts.clientMs, clock, turn: this.#turn };
    this.#hosts.set(door.path, host);
    this.#open(door, host, ({ connectionId, identity }, request, transport) => {
      const connection = new RawConnection({ connectionId, identity, request, transport, settings });
      host.run(connection);
      return connection;
    });
  }

  attach(server: HttpServer, options: AttachOptions = {}): void {
    checkDrain(options);
    this.#router.attach(checkedHttpServer(server), (closing) => this.#drain(options, closing));
  }

  async listen(port: number, host?: string): Promise<number> {
    if (!this.#isOpen) throw closed();
    if (!Number.isInteger(port) || port < 0 || port > 65_535) throw invalidOption('port', 'must be a whole number from 0 to 65535');
    await this.ready(); // a client never connects to a node that is not part of the cluster yet
    const listener = new Listener();
    const taken = await listener.listen(port, host);
    this.attach(listener.server);
    this.#listeners.push(listener);
    return taken;
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
        : !this.#isOpen ? 'draining'
        : backplanes.every(({ state }) => state === 'up') ? 'ok'
        : 'degraded',
      nodeId: this.nodeId,
      connections: this.#accepted.size,
      backplane: state,
      ...(outage && { outage }),
      backplanes,
      uptimeMs: this.#settings.clock.elapsed() - this.#createdAt,
    };
  }

  async drain(options: DrainOptions = {}): Promise<void> {
    checkDrain(options);
    this.#isOpen = false;
    await this.#drain(options);
    for (const listener of this.#listeners) void listener.close(); // until now clients fetched answers and Close messages there
  }

  close(options: Pick<DrainOptions, 'graceMs'> = {}): Promise<void> {
    checkDrain(options);
    return (this.#closing ??= this.#close(options));
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  on<E extends HubServerEvent>(event: E, listener: (...args: HubServerEvents[E]) => void): () => void {
    return this.#events.on(event, listener);
  }

  async #close(options: DrainOptions): Promise<void> {
    await this.drain(options);
    const { clock, timeouts } = this.#settings;
    let undo = (): void => undefined;
    const patience = new Promise<void>((resolve) => (undo = clock.after(timeouts.closeMs, resolve)));
    void patience.then(() => this.#listeners.forEach((listener) => listener.cut()));
    await Promise.all(this.#listeners.map((listener) => listener.close()));
    await Promise.race([patience, Promise.all([...this.#hosts.values()].map((host) => host.left()))]);
    undo();
    this.#router.detach();
    await Promise.all([...this.#clusters.values()].map((cluster) => cluster.close()));
  }

  /** Ends all connections, or those that came through one HTTP server. */
  async #drain(options: DrainOptions, through?: Attachment): Promise<void> {
    const error = new HublineError('shutdown', 'This node is going away.', {});
    const leaving = [...this.#accepted].filter(([, attachment]) => !through || attachment === through).map(([connection]) => connection);
    await drain(leaving, (connection) => connection.close({ code: 'shutdown', error }), { ...options, clock: this.#settings.clock });
  }

  /** Makes a hub connection of each accepted transport. */
  #hubConnections(handler: ConnectionHandler, limits: Limits): Connect {
    const { clock, codecs, timeouts } = this.#settings;
    const settings = { handler, limits, codecs, timeouts, clock, detailedErrors: this.#detailedErrors, turn: this.#turn };
    return ({ connectionId, identity }, request, transport) =>
      new Connection({ connectionId, identity, request, transport, settings, connectedAt: clock.now() });
  }

  /** Checks the options of a path, before anything is created from them. @throws HublineError `invalid_option` */
  #door(options: AcceptOptions & { readonly origins?: Origins | undefined }, hub?: string): Door {
    const path = this.#pathPrefix + hostedPath(options.path, 'path');
    if (this.#router.has(path)) throw taken('path', options.path);
    const { origins, sameIdentity } = options;
    const { report } = this.#events;
    const policy = new OriginPolicy(typeof origins === 'function' ? guardHook('origins', report, origins) : origins);
    const asks = sameIdentity ? { sameIdentity: guardHook('sameIdentity', report, sameIdentity) } : {};
    return { ...options, ...checkedTransports(options), ...asks, hub, path, origins: policy };
  }

  #open(door: Door, host: Host, connect: Connect): void {
    if (!this.#self.accepts) return;
    const { timeouts } = this.#settings;
    const acceptor = new ConnectionAcceptor({
      hub: door.hub,
      door: { ...door, ...(door.redirect ? { redirect: this.#redirect(door.redirect) } : {}) },
      affinity: this.#affinity,
      process: this.#self.process,
      heartbeat: this.#heartbeat,
      quota: this.#quota,
      connectTimeoutMs: timeouts.connectMs,
      authenticateTimeoutMs: timeouts.authenticateMs,
      accepted: this.#accepted,
      isOpen: () => this.#isOpen,
      authenticate: (request) => host.authenticate(request),
      connect,
      report: (error) => this.#events.report('request', error),
    });
    const endpoint = new Endpoint({
      acceptor,
      upgrader: this.#upgrader,
      origins: door.origins,
      proxies: this.#proxies,
      pollTimeoutMs: timeouts.pollMs,
      disconnectTimeoutMs: timeouts.disconnectMs,
      sendTimeoutMs: timeouts.sendMs,
      report: (error) => this.#events.report('request', error),
    });
    this.#router.add(door.path, endpoint);
  }

  #redirect(ask: NonNullable<AcceptOptions['redirect']>): NonNullable<AcceptOptions['redirect']> {
    return (request) => callHook('redirect', this.#events.report, async () => checkedRedirect(await ask(request)));
  }

  #cluster(backplane: Backplane): Cluster {
    let cluster = this.#clusters.get(backplane);
    if (!cluster) {
      const { clock, codecs, timeouts } = this.#settings;
      const { lingerMs, callMs: callTimeoutMs, attemptMs, commandMs: commandTimeoutMs } = timeouts;
      const times = { lingerMs, callTimeoutMs, attemptMs, commandTimeoutMs };
      cluster = new Cluster({ backplane, self: this.#self, codecs, clock, events: this.#clusterEvents(), ...times });
      this.#clusters.set(backplane, cluster);
    }
    return cluster;
  }

  #clusterEvents(): ClusterEvents {
    return {
      down: (cause) => this.#events.emit('backplaneDown', cause),
      up: (outage) => this.#events.emit('backplaneUp', outage),
      gap: (gap) => this.#events.emit('gap', gap),
      nodeJoined: (node) => this.#events.emit('nodeJoined', node),
      nodeLost: (node, reason) => this.#events.emit('nodeLost', node, reason),
      lost: (loss) => this.#events.emit('lost', loss),
      error: this.#events.report,
    };
  }
}

const closed = (): HublineError<'shutdown'> => new HublineError('shutdown', 'This server is closed.', {});

const taken = (option: string, value: string): HublineError<'invalid_option'> =>
  new HublineError('invalid_option', `A hub with the ${option} '${value}' is hosted already.`, { option });
