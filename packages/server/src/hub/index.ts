export {
  ACCEPT_OPTIONS,
  checkAcceptOptions,
  checkedRedirect,
  checkedTransports,
  OFFERED_TRANSPORTS,
  type AcceptOptions,
  type CheckedAcceptOptions,
  type Redirect,
} from './accept-options.ts';
export type { HubCluster } from './hub-cluster.ts';
export { callHook, guardHook } from './hooks.ts';
export { HubHost } from './hub.ts';
export { hostedOptions, type AuthenticatedIdentity, type HubOptions, type SenderOptions } from './hub-options.ts';
export { identityOf } from './identity.ts';
export { limitsFor, positive, type HubLimits, type Limits } from './limits.ts';
export { checkBackplane, checkMs } from './option-checks.ts';
export type { AcceptedConnection, PathHost } from './path-host.ts';
export type {
  AnyTarget,
  AskingAll,
  Authorize,
  CallerClients,
  Clients,
  ClientTarget,
  Context,
  DisconnectOptions,
  Filter,
  Hub,
  HubOf,
  Methods,
  Middleware,
  Presence,
  Schemas,
  Target,
  TargetOptions,
  Whom,
} from './types.ts';
