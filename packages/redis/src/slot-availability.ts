import type { Keys } from './keys.ts';
import type { Store } from './store.ts';

export interface SlotAvailabilityOptions {
  readonly store: Pick<Store, 'slotOf'>;
  readonly keys: Pick<Keys, 'channel'>;
}

/**
 * Tracks which slots can be used. An outage makes the slots of its masters unavailable until this node has registered again, also if
 * another master serves them before that: it may lack data.
 */
export class SlotAvailability {
  readonly #options: SlotAvailabilityOptions;
  /** Undefined while no slot is available. */
  #unavailable: Set<number> | undefined;
  /** Slots on whose channels nodes from before an outage may not be subscribed again. Undefined: all slots. */
  #lackingSubscribers: Set<number> | undefined;

  constructor(options: SlotAvailabilityOptions) {
    this.#options = options;
  }

  get areAllAvailable(): boolean {
    return this.#unavailable?.size === 0;
  }
  /** Whether the slot of a key can be used. */
  has(key: string): boolean {
    return this.#unavailable !== undefined && (this.#unavailable.size === 0 || !this.#unavailable.has(this.#options.store.slotOf(key)));
  }
  hasChannel(channel: string): boolean {
    return this.areAllAvailable || this.has(this.#options.keys.channel(channel));
  }
  /** Whether other nodes may not be subscribed to this channel again yet. */
  mayLackSubscribers(channel: string): boolean {
    const { store, keys } = this.#options;
    return this.#lackingSubscribers === undefined || this.#lackingSubscribers.has(store.slotOf(keys.channel(channel)));
  }

  /** Marks slots as unavailable; without `slots`, all of them. Returns whether any of them was available before. */
  markUnavailable(slots?: Iterable<number>): boolean {
    if (!slots || !this.#unavailable) {
      const isChanged = this.#unavailable !== undefined;
      this.#unavailable = undefined;
      this.#lackingSubscribers = undefined;
      return isChanged;
    }
    const before = this.#unavailable.size;
    for (const slot of slots) {
      this.#unavailable.add(slot);
      this.#lackingSubscribers?.add(slot);
    }
    return this.#unavailable.size > before;
  }

  /** Marks all slots as available, after this node has registered again. */
  markAllAvailable(): void {
    this.#unavailable = new Set();
  }
  /** Ends the wait for other nodes' subscriptions, except on slots that are still unavailable. */
  stopWaitingForSubscribers(): void {
    this.#lackingSubscribers = new Set(this.#unavailable);
  }
}
