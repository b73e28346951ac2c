export { createHubServer, type Health, type HubServer, type HubServerEvents, type HubServerOptions } from './server.ts';
export { forbidden, hubError, unauthorized } from './thrown.ts';
export type * from './backplane/index.ts';
export { allTopic, attributeTopic, groupTopic, memoryBackplane, nameIn, topicPrefix, userTopic } from './backplane/index.ts';
export type { CloseReason, RawConnection } from './connection/index.ts';
export type {
  AuthenticatedIdentity,
  CallerClients,
  Clients,
  ConnectionHandlerFunction,
  ConnectionHandlerOptions,
  AcceptOptions,
  ClientTarget,
  Context,
  Filter,
  Hub,
  HubOptions,
  Limits,
  Methods,
  Middleware,
  Presence,
  Redirect,
  Target,
  Timeouts,
} from './hub/index.ts';
export type { Disconnected, InvokeOptions, Outcome, Outcomes, RejectionCode } from './invocation/index.ts';
export type { Loss, Sent } from './membership/index.ts';
export type {
  ConnectionInfo,
  Count,
  LeaveReason,
  Page,
  PageOptions,
  Pages,
  PresenceEvent,
  UserInfo,
  UserPresenceEvent,
} from './presence/index.ts';
export type { AffinityOptions, ClientRequest, Origins } from './transports/index.ts';
export { defineHub, HublineError, isHublineError, jsonCodec, type Codec, type Contract } from '@hubline/protocol';
