export { createHubConnection, type HubConnectionOptions, type Logger } from './create-hub-connection.ts';
export type { ConnectionOf, EventArgs, HubCalls, HubConnection, Results } from './hub-connection.ts';
export type { Clock } from './clock.ts';
export type { CallOptions } from './calls.ts';
export type { ConnectionEvents, ConnectionState } from './connection-state.ts';
export type { AccessToken } from './access-token.ts';
export type { Network, OpenRequest, Pipe, PipeEnd, Transport } from './transport.ts';
export { backoff, type BackoffOptions, type ReconnectPolicy } from './backoff.ts';
export { withSignal } from './receivers.ts';
export { sourceWithSignal } from './source-with-signal.ts';
export { webSockets } from './web-sockets.ts';
export { serverSentEvents } from './server-sent-events.ts';
export { longPolling } from './long-polling.ts';
export type { HttpOptions } from './http-pipe.ts';
// For contracts and their errors, so that an application needs one import only.
export { defineHub, HublineError, isHubError, isHublineError, jsonCodec } from '@hubline/protocol';
export type {
  AnyHublineError,
  Codec,
  Contract,
  ErrorCode,
  ErrorDetails,
  HubError,
  HubInput,
  HubOutput,
  StandardSchema,
} from '@hubline/protocol';
// The compiler writes these into the declarations of an application, which may not depend on the other package.
export type { Asking, Calling, CallName, Implementation, Kinds, Streaming, StreamName } from '@hubline/protocol';
