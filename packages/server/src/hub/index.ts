export { Cluster, nodesOf, type ClusterEvents } from './cluster.ts';
export {
  checkedRedirect,
  checkedTransports,
  ConnectionAcceptor,
  type AcceptOptions,
  type CheckedAcceptOptions,
  type AcceptedConnection,
  type Redirect,
} from './connection-acceptor.ts';
export { beforeConnecting, guarded } from './failures.ts';
export { drain, type DrainOptions } from './drain.ts';
export type { BackplaneHealth, Health } from './health.ts';
export { hostedOptions, HubHost, type AuthenticatedIdentity, type HubOptions, type SenderOptions } from './hub.ts';
export { RawHost, type ConnectionHandlerFunction, type ConnectionHandlerOptions } from './raw-host.ts';
export { ServerEvents, type HubServerEvent, type HubServerEvents } from './server-events.ts';
export {
  beatMs,
  limitsFor,
  settingsFrom,
  type HubLimits,
  type Limits,
  type Settings,
  type SettingsOptions,
  type Timeouts,
} from './settings.ts';
export type {
  AnyTarget,
  AskingAll,
  CallerClients,
  Clients,
  ClientTarget,
  Context,
  DisconnectOptions,
  Filter,
  Hub,
  HubOf,
  Methods,
  Authorize,
  Middleware,
  Presence,
  Schemas,
  Target,
  TargetOptions,
  Whom,
} from './types.ts';
export { checkDrain, checkHandlerOptions, checkServerOptions } from './option-names.ts';
