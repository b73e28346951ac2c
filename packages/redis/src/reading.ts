import type { NodeInfo } from '@hubline/server/backplane';
import type { Incarnation } from './keys.ts';

/** Who is in the cluster at one moment, by the leases: each process by its latest incarnation. */
export type Census = ReadonlyMap<Incarnation, NodeInfo>;

/** What Redis answered to one reader. */
export interface Reading {
  readonly value: Census;
  /** Nodes that live, and have not written all that they have, or cannot be read. */
  readonly missing: readonly string[];
  /** To the commands, in their order. */
  readonly answers: readonly unknown[];
  /** To the commands about one incarnation. */
  of(incarnation: Incarnation): readonly unknown[];
}

/** An answer would be of a Redis that has lost what was written: this process has no lease, or nobody is listed. It is told already. */
export class LeaseOverError extends Error {
  override readonly name = 'LeaseOverError';
  constructor() {
    super('The lease of this process is over.');
  }
}
