export { createHubServer, type HubServer, type HubServerOptions } from './server.ts';
export { forbidden, hubError, unauthorized } from './thrown.ts';
export type { Backplane, LinkState, NodeInfo } from './backplane/index.ts';
export { memoryBackplane } from './backplane/index.ts';
export type { CloseReason, Identity, RawConnection } from './connection/index.ts';
export type {
  AskingAll,
  AuthenticatedIdentity,
  CallerClients,
  Clients,
  ConnectionHandlerFunction,
  ConnectionHandlerOptions,
  AcceptOptions,
  ClientTarget,
  Context,
  DisconnectOptions,
  DrainOptions,
  Filter,
  Health,
  Hub,
  HubLimits,
  HubOptions,
  HubServerEvents,
  Limits,
  Methods,
  Middleware,
  Presence,
  Redirect,
  Target,
  TargetOptions,
  Timeouts,
} from './hub/index.ts';
export type { AbsentUser, ClientOutcome, Changed, InvokeOptions, Outcome, Outcomes, RejectionCode } from './invocation/index.ts';
export type { Loss, Sent } from './membership/index.ts';
export type {
  ConnectionInfo,
  Count,
  OnlineUsers,
  LeaveReason,
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
  OpeningRequest,
  Origins,
} from './transports/index.ts';
export { defineHub, HublineError, isHublineError, jsonCodec } from '@hubline/protocol';
export type {
  AnyHublineError,
  Codec,
  Contract,
  ErrorCode,
  ErrorDetails,
  HubInput,
  HubOutput,
  Logger,
  StandardSchema,
} from '@hubline/protocol';
// Types that the compiler writes into an application's declarations: the application may not depend on the other package.
export type { Asking, Calling, EventName, Kinds, ResultName, SomeAttributes } from '@hubline/protocol';
