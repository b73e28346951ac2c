export { Cluster, nodesOf, type ClusterEvents } from './cluster.ts';
export { ConnectionAcceptor, type AcceptedConnection } from './connection-acceptor.ts';
export { drain, type DrainOptions } from './drain.ts';
export type { BackplaneHealth, Health } from './health.ts';
export { checkDrain, checkHandlerOptions, checkServerOptions } from './option-checks.ts';
export { RawHost, type ConnectionHandlerFunction, type ConnectionHandlerOptions } from './raw-host.ts';
export { ServerEvents, type HubServerEvent, type HubServerEvents } from './server-events.ts';
export { beatMs, settingsFrom, type Settings, type SettingsOptions, type Timeouts } from './settings.ts';
