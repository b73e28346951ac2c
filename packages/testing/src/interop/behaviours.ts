import type { Behaviour } from './behaviour.ts';
import { CALLS } from './calls.ts';
import { BURSTS, LARGE_MESSAGES } from './load.ts';
import { TRANSPORT_CHOICE, CONNECTING, LIFECYCLE, SERVER_TIMEOUT, BINARY_FALLBACK } from './lifecycle.ts';
import { PROTOCOLS, TRANSPORTS, type ProtocolName, type TransportName } from './peer.ts';
import { ALLOWED_RECONNECT, KEEP_ALIVE, RECONNECTING } from './reconnecting.ts';
import { STREAMS } from './streams.ts';
import { VALUES } from './values.ts';

/** A transport and a protocol, with the behaviours that have to work over them. */
export interface Combination {
  readonly transport: TransportName;
  readonly protocol: ProtocolName;
  readonly behaviours: readonly Behaviour[];
}

/** All behaviours that are tested with every client: those of the functional tests of SignalR's own clients, and more. */
export const COMBINATIONS: readonly Combination[] = TRANSPORTS.flatMap((transport) =>
  PROTOCOLS.map((protocol) => ({ transport, protocol, behaviours: behavioursOf(transport, protocol) })),
);

function behavioursOf(transport: TransportName, protocol: ProtocolName): readonly Behaviour[] {
  if (transport === 'ServerSentEvents' && protocol === 'messagepack') return [BINARY_FALLBACK];
  return [
    ...CALLS,
    ...VALUES,
    ...STREAMS,
    ...LARGE_MESSAGES,
    ...LIFECYCLE,
    ALLOWED_RECONNECT,
    ...(protocol === 'json' ? [...CONNECTING, ...RECONNECTING] : []),
    ...(protocol === 'json' && transport !== 'LongPolling' ? [SERVER_TIMEOUT] : []),
    ...(protocol === 'json' && transport === 'WebSockets' ? [...BURSTS, KEEP_ALIVE, ...TRANSPORT_CHOICE] : []),
  ];
}
