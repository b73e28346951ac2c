/** An event that a test observed on one side of a cluster. All names are the test's own. */
export type Observation =
  /** The client `by` is connected. A new connection is a member of nothing. */
  | { readonly type: 'connected'; readonly by: string; readonly node: string }
  | { readonly type: 'disconnected'; readonly by: string }
  /** The join of a client has resolved. */
  | { readonly type: 'joined'; readonly by: string; readonly topic: string }
  /** The leave of a client has resolved. */
  | { readonly type: 'left'; readonly by: string; readonly topic: string }
  /** `by` sends a message to a topic. A sender is what the order of messages is promised for: a node, or a client that awaits its calls. */
  | { readonly type: 'sent'; readonly by: string; readonly message: string; readonly topic: string }
  /** The send is acknowledged: its promise `confirmed` has resolved. */
  | { readonly type: 'confirmed'; readonly message: string }
  | { readonly type: 'rejected'; readonly message: string; readonly code?: string }
  | { readonly type: 'received'; readonly by: string; readonly message: string }
  /** `by` asked for the members of a topic, and got this answer. */
  | { readonly type: 'seen'; readonly by: string; readonly topic: string; readonly members: readonly string[]; readonly complete: boolean }
  /** `by` called something. With `clients`, the call needs an outcome for each of them. */
  | { readonly type: 'called'; readonly by: string; readonly call: string; readonly clients?: readonly string[] }
  | { readonly type: 'outcome'; readonly call: string; readonly client: string; readonly status: string }
  /** The promise of the call has resolved or rejected. */
  | { readonly type: 'settled'; readonly call: string; readonly missingNodes?: readonly string[] }
  /** A node reported a gap, of `lost` messages if it knows the number. Without a topic it may concern any. */
  | { readonly type: 'gap'; readonly node: string; readonly topic?: string; readonly lost?: number }
  /** A sender or a node has ended for good, killed for example. A restarted node is another sender. */
  | { readonly type: 'ended'; readonly by: string }
  | { readonly type: 'fault' | 'healed'; readonly name: string };

/** An observation with its time, in milliseconds since the epoch. */
export type HistoryEvent = Observation & { readonly atMs: number };

/** Returns the events of one type with their positions in the history. */
export function eventsOf<T extends Observation['type']>(events: readonly HistoryEvent[], type: T): readonly Positioned<T>[] {
  return events.flatMap((event, at) => (event.type === type ? [{ event: event as EventOf<T>, at }] : []));
}

export type EventOf<T extends Observation['type']> = Extract<HistoryEvent, { readonly type: T }>;
export interface Positioned<T extends Observation['type']> {
  readonly event: EventOf<T>;
  /** The index in the history. */
  readonly at: number;
}
