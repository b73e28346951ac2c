export { createHubServer, type HubServer, type HubServerOptions } from './server.ts';
export { forbidden, hubError, unauthorized } from './thrown.ts';
export type { LinkState, NodeInfo } from './backplane/index.ts';
export { memoryBackplane } from './backplane/index.ts';
export type { CloseReason, Identity, RawConnection } from './connection/index.ts';
export type {
  AnyTarget,
  AskingAll,
  AuthenticatedIdentity,
  Authorize,
  CallerClients,
  Clients,
  AcceptOptions,
  ClientTarget,
  Context,
  DisconnectOptions,
  Filter,
  Hub,
  HubLimits,
  HubOf,
  HubOptions,
  Limits,
  Methods,
  Middleware,
  Presence,
  Redirect,
  SenderOptions,
  Target,
  TargetOptions,
  Whom,
} from './hub/index.ts';
export type { ConnectionHandlerFunction, ConnectionHandlerOptions, DrainOptions, Health, HubServerEvents, Timeouts } from './node/index.ts';
export type { AbsentUser, ClientOutcome, InvokeOptions, Outcome, Outcomes, RejectionCode } from './invocation/index.ts';
export type { Loss, Sent } from './membership/index.ts';
export type {
  ClusterItems,
  ClusterValue,
  Completeness,
  ConnectionInfo,
  Page,
  PageOptions,
  Pages,
  PresenceEvent,
  UserInfo,
  UserPresenceEvent,
} from './presence/index.ts';
export type {
  AffinityOptions,
  AttachOptions,
  AuthenticationRequest,
  ClientRequest,
  HttpServer,
  InMemoryNetwork,
  InMemoryPipe,
  InMemoryRequest,
  OpeningRequest,
  Origins,
} from './transports/index.ts';
export { HublineError, isHubError, isHublineError, jsonCodec } from '@hubline/protocol';
export type {
  AnyHublineError,
  Codec,
  Contract,
  EndReason,
  ErrorCode,
  ErrorDetails,
  HubError,
  HubInput,
  HubOutput,
  LeaveReason,
  Logger,
  StandardSchema,
  TransportName,
} from '@hubline/protocol';
// Types that the compiler writes into an application's declarations: the application may not depend on the other package.
export type { Asking, Calling, EventName, Kinds, ResultName, SomeAttributes } from '@hubline/protocol';
