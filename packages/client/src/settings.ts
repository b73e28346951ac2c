import type { Codec } from '@hubline/protocol';
import type { AccessToken } from './access-token.ts';
import type { ReconnectPolicy } from './backoff.ts';
import type { Clock } from './clock.ts';
import type { ConnectionState } from './connection-state.ts';
import type { Receivers } from './receivers.ts';
import type { Network, Transport } from './transport.ts';

/** What one connection is made of: the user's options with every default in its place, and what surrounds it. */
export interface Settings extends Network {
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
  /** Calls `wake` when the page or the network comes back, until the signal aborts. */
  onWake(wake: () => void, signal: AbortSignal): void;
  /** The state has changed. */
  entered(state: ConnectionState, before: ConnectionState['name']): void;
  /** Background failures end here. */
  report(error: unknown): void;
}
