export type { Behaviour } from './behaviour.ts';
export { COMBINATIONS, type Combination } from './behaviours.ts';
export type { ConnectOptions, Observer, Peer, PeerConnection, ProtocolName, TransportName, Upload } from './peer.ts';
export { World, type WorldOptions } from './world.ts';
