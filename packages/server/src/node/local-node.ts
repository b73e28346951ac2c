import { hostname } from 'node:os';
import { checkName, HublineError, type Logger } from '@hubline/protocol';
import type { NodeInfo } from '../backplane/index.ts';
import { ConnectionQuota, Heartbeat, newProcessId, Turn } from '../connection/index.ts';
import { hostedPath, NodeAffinity, proxiesOf, WebSocketUpgrader, type AffinityOptions, type Attachment } from '../transports/index.ts';
import { drain, type DrainOptions } from './drain.ts';
import { ServerEvents } from './server-events.ts';
import type { Session } from './session.ts';
import { heartbeatMs, type ServerSettings } from './settings.ts';

export interface NodeOptions {
  /** The node's name for people and balancers. Default: host name and process id. */
  readonly nodeId?: string | undefined;
  /** The application that this node belongs to. Several may host one hub. Default `"hubline"`. */
  readonly app?: string | undefined;
  /** Default true. False for a node that takes no connections: it only sends, invokes and queries. */
  readonly accept?: boolean | undefined;
  /** How requests of one connection find this node through a balancer. */
  readonly affinity?: AffinityOptions | undefined;
  /**
   * The number of trusted proxies in front of this server; true is one. The server reads the entries of `X-Forwarded-For`, `-Proto` and
   * `-Host` that these proxies have written. Default false: any client can send these headers.
   */
  readonly trustProxy?: boolean | number | undefined;
  /** A prefix before the path of every hub, for a proxy that passes it on: `/app`. */
  readonly pathPrefix?: string | undefined;
  /** Sends clients the name and message of errors that methods throw. Default false: they may hold secrets. */
  readonly detailedErrors?: boolean | undefined;
  /**
   * Gets a line for each event: `error` for failures, `warn` and `info` for the rest. Default: failures go to `console.error`
   * unless the program listens for `error`.
   */
  readonly logger?: Logger | undefined;
}

/** This node: its settings, its clients' sessions, and the services that all of its paths share. */
export class LocalNode {
  readonly info: NodeInfo;
  readonly settings: ServerSettings;
  readonly detailedErrors: boolean;
  readonly pathPrefix: string;
  /** The number of trusted proxies in front of this node. */
  readonly proxies: number;
  readonly events: ServerEvents;
  readonly turn = new Turn();
  readonly heartbeat: Heartbeat;
  readonly quota: ConnectionQuota;
  readonly affinity: NodeAffinity;
  readonly upgrader: WebSocketUpgrader;
  /** All sessions, by their secret tokens. */
  readonly sessions = new Map<string, Session>();
  /** False from `drain` on: the node takes no more connections. */
  isOpen = true;

  /** @throws HublineError `invalid_option` */
  constructor(options: NodeOptions, settings: ServerSettings) {
    const { nodeId = `${hostname()}-${process.pid}`, app = 'hubline', accept = true } = options;
    const { clock, limits, timeouts } = settings;
    checkName(nodeId, 'nodeId');
    this.info = { nodeId, process: newProcessId(), app: checkName(app, 'app'), accepts: accept, startedAt: clock.now() };
    this.settings = settings;
    this.detailedErrors = options.detailedErrors ?? false;
    this.events = new ServerEvents(options.logger);
    this.proxies = proxiesOf(options.trustProxy);
    this.pathPrefix = hostedPath(options.pathPrefix ?? '', 'pathPrefix');
    this.affinity = new NodeAffinity(nodeId, options.affinity);
    this.heartbeat = new Heartbeat(clock, heartbeatMs(timeouts), (error) => this.events.report('heartbeat', error));
    this.quota = new ConnectionQuota({ limits, clock, report: (error) => this.events.report('limit', error) });
    this.upgrader = new WebSocketUpgrader({ clock, timeouts });
  }

  /** The number of connections with an open transport, also of those before the handshake. */
  get connections(): number {
    return this.#connected().length;
  }

  /** Ends all connections, or those that came through one HTTP server. */
  async drain(options: DrainOptions, through?: Attachment): Promise<void> {
    const error = new HublineError('shutdown', 'This node is shutting down.', {});
    const connections = this.#connected()
      .filter(({ attachment }) => !through || attachment === through)
      .flatMap(({ connection }) => connection ?? []);
    await drain(connections, (connection) => connection.close({ code: 'shutdown', error }), { ...options, clock: this.settings.clock });
  }

  #connected(): readonly Session[] {
    return [...this.sessions.values()].filter(({ transport }) => transport);
  }
}
