export type { Acceptor, Admission, Answer } from './acceptor.ts';
export { NodeAffinity, type AffinityOptions } from './affinity.ts';
export { Batch } from './batch.ts';
export { Endpoint } from './endpoint.ts';
export { Front } from './front.ts';
export type { Origins } from './origins.ts';
export type { ClientRequest } from './request.ts';
export type { Transport, TransportEnd, TransportListener } from './transport.ts';
export { WebSocketUpgrader } from './websocket.ts';
