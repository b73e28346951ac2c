import type { MissingNodes } from '../backplane/index.ts';
import { isComplete } from './missing-nodes.ts';

/** Whether an answer has the part of every node. */
export interface Completeness {
  /** False where some nodes could not be asked, also nodes that this one does not know. */
  readonly complete: boolean;
  /** Those of the nodes that could not be asked that this node knows, by `nodeId`: where `complete` is false it may be none. */
  readonly missingNodes: readonly string[];
}

/** A value of the whole cluster. */
export interface ClusterValue<T> extends Completeness {
  readonly value: T;
}

/** A list of the whole cluster. */
export interface ClusterItems<T> extends Completeness {
  readonly items: readonly T[];
}

export const completenessOf = (missing: MissingNodes): Completeness => ({
  complete: isComplete(missing),
  missingNodes: missing.missing,
});
