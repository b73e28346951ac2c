import type { Codec } from '@hubline/protocol';
import type { AccessToken } from './access-token.ts';
import type { ReconnectPolicy } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { ConnectionState } from './connection-state.ts';
import type { Receivers } from './receivers.ts';
import type { Network, Transport } from './transport.ts';

/** The options of one connection with all defaults applied, and the parts that it works with. */
export interface ClientSettings extends Network {
  readonly url: string | URL;
  readonly accessToken?: AccessToken | undefined;
  readonly transports: readonly Transport[];
  readonly skipNegotiation?: boolean | undefined;
  readonly keepAliveMs: number;
  readonly serverTimeoutMs: number;
  readonly startTimeoutMs: number;
  readonly forwardCredentials?: boolean | undefined;
  readonly maxMessageBytes: number;
  readonly maxQuestions: number;
  readonly codec: Codec;
  readonly policy: ReconnectPolicy;
  readonly clock: Clock;
  readonly receivers: Receivers;
  /** Calls `wake` when the page is shown again or the network is available again, until the signal aborts. */
  onWake(wake: () => void, signal: AbortSignal): void;
  /** Reports a change of the state. */
  entered(state: ConnectionState, before: ConnectionState['name']): void;
  /** Reports an error that no caller gets. */
  report(error: unknown): void;
}
