import type { LinkObserver, LocalState, NodeInfo } from '@hubline/server/backplane';
import type { Keys } from './keys.ts';
import type { Settings } from './options.ts';
import type { Session } from './session.ts';
import type { SlotAvailability } from './slot-availability.ts';
import type { Store } from './store.ts';
import type { Unreadable } from './unreadable.ts';

/** Objects and settings that the parts of a link share. */
export interface Context {
  readonly self: NodeInfo;
  readonly local: LocalState;
  readonly settings: Settings;
  readonly store: Store;
  readonly keys: Keys;
  /** The keys and channels that can be used. */
  readonly reach: Pick<SlotAvailability, 'has' | 'isWhole' | 'isShaken'>;
  /** The present session, or the last one during an outage. */
  readonly session: () => Session;
  readonly isUp: () => boolean;
  /** Settles when the first connection has succeeded or failed. */
  readonly settled: () => Promise<void>;
  readonly unreadable: Pick<Unreadable, 'value' | 'message'>;
  readonly report: LinkObserver['report'];
}
