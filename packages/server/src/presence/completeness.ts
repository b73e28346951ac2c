import type { MissingNodes } from '../backplane/index.ts';
import { isComplete } from './missing-nodes.ts';

/** Whether a result contains the part of every node. */
export interface Completeness {
  /** False if some nodes could not be asked, also nodes that this one does not know. */
  readonly complete: boolean;
  /** The `nodeId`s of nodes that could not be asked, as far as this node knows them. It may be empty if `complete` is false. */
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
