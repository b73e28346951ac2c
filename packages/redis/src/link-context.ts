import type { LinkObserver, LocalState, NodeInfo, Outage, ProcessId } from '@hubline/server/backplane';
import type { Keys } from './keys.ts';
import type { RedisSettings } from './options.ts';
import type { Session } from './session.ts';
import type { SlotAvailability } from './slot-availability.ts';
import type { Store } from './store.ts';
import type { DecodeErrorReporter } from './decode-error-reporter.ts';

/** Objects and settings that the parts of a link share. */
export interface LinkContext {
  readonly self: NodeInfo;
  readonly local: LocalState;
  readonly settings: RedisSettings;
  readonly store: Store;
  readonly keys: Keys;
  readonly availability: Pick<SlotAvailability, 'has' | 'hasChannel' | 'areAllAvailable' | 'mayLackSubscribers'>;
  readonly unreadable: Pick<DecodeErrorReporter, 'value' | 'message'>;
  readonly status: LinkStatus;
  readonly observer: LinkObserver;
  readonly events: LinkEvents;
}

/** The state of a link, as its parts read it. */
export interface LinkStatus {
  readonly isUp: boolean;
  /** Whether this node has entered the cluster, or is about to. */
  readonly isEntering: boolean;
  /** Why the link is down. */
  readonly outage: Outage | undefined;
  /** Settles when the first connection has succeeded or failed. */
  readonly settled: Promise<void>;
}

/** Events of one part of a link that concern other parts. `RedisLink` passes them on. */
export interface LinkEvents {
  /** Another process has joined the cluster, and queries show it. */
  joined(node: NodeInfo): void;
  /** Messages of a process may be delivered: it has joined, or its lease was seen again after an outage. */
  announced(process: ProcessId): void;
  lost(node: NodeInfo, reason: 'goodbye' | 'lease'): void;
  /** A lost process is not remembered any more. */
  forgotten(process: ProcessId): void;
  /** A reader has found that this process's lease, or a part of what it wrote in that session, is missing. */
  ownLeaseEnded(session: Session): void;
  /** The leases must be read: a frame has come from an unknown process, or a known process has begun a new session. */
  leasesMayHaveChanged(): void;
  /** A new session has begun: the lease of the one before had ended, or writes of it were missing. */
  sessionRestarted(restart: SessionRestart): void;
  /** Keys that differed from what this node wrote are correct again. */
  entriesRepaired(keys: readonly string[]): void;
  /** A write failed: Redis does not have this node's current state. */
  writeFailed(error: unknown): void;
  /** Redis refused a PUBLISH or SUBSCRIBE, or its answer was lost. */
  commandFailed(error: unknown): void;
}

export interface SessionRestart {
  /** Whether the lease of the session before had ended: other processes may have reported this one as lost. */
  readonly hadEnded: boolean;
  /** Milliseconds since the lease was renewed last. */
  readonly silentMs: number;
}
