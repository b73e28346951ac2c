export { Cluster, type ClusterEvents } from './cluster.ts';
export { Doorman } from './doorman.ts';
export { HubHost, type AuthenticatedIdentity, type Hub, type HubOptions } from './hub.ts';
export type { Presence } from './presence.ts';
export { beatMs, settingsFrom, type Limits, type Settings, type Timeouts } from './settings.ts';
export type { CallerClients, Clients, ClientTarget, Context, Filter, Methods, Middleware, Schemas, Target } from './types.ts';
