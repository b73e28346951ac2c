import type { Stage } from '../stage.ts';

/** The actions of the pages in a cell. */
export interface Scenario {
  /** The number of pages. */
  readonly peers: number;
  /** Prepares the run, before the load and the fault. */
  readonly prepare?: (stage: Stage) => Promise<void>;
  /** Runs until {@link Stage.isOver}. */
  readonly load: (stage: Stage) => Promise<void>;
  /** Runs after the fault and the load, when all pages are connected: what must work again. */
  readonly finish: (stage: Stage) => Promise<void>;
  /** The types of events that a run without a single one did not test. */
  readonly needs: readonly ('received' | 'seen' | 'outcome' | 'sent' | 'joined')[];
}
