import type { HistoryEvent } from './observation.ts';

export type ViolationKind =
  | 'lost'
  | 'gap_not_reported'
  | 'gap_without_cause'
  | 'doubled'
  | 'reordered'
  | 'never_sent'
  | 'wrong_receiver'
  | 'presence_not_converged'
  | 'presence_wrong'
  | 'call_not_settled'
  | 'call_settled_twice'
  | 'outcome_missing'
  | 'outcome_doubled';

/** A promise that the history does not keep. */
export interface Violation {
  readonly kind: ViolationKind;
  /** A sentence that names the clients, nodes and messages. */
  readonly text: string;
  /** The events that show it, in order. The first one decides which violation is the first. */
  readonly events: readonly HistoryEvent[];
}
