export { Batch } from './batch.ts';
export { Endpoint, type Acceptor } from './endpoint.ts';
export { Front } from './front.ts';
export type { Origins } from './origins.ts';
export { queryValue, type ClientRequest } from './request.ts';
export type { Transport, TransportEnd, TransportListener } from './transport.ts';
export { WebSocketUpgrader } from './websocket.ts';
