import type { NodeInfo } from '@hubline/server/backplane';
import type { Incarnation } from './keys.ts';

/** The nodes of the cluster at one moment, by their leases: each process with its latest incarnation. */
export type Census = ReadonlyMap<Incarnation, NodeInfo>;

/** The answers of Redis to one reader. */
export interface Reading {
  readonly value: Census;
  /** Nodes that live, and have not written all that they have, or cannot be read. */
  readonly missing: readonly string[];
  /** To the commands, in their order. */
  readonly answers: readonly unknown[];
  /** To the commands about one incarnation. */
  of(incarnation: Incarnation): readonly unknown[];
}

/** Thrown where Redis has lost what was written: this process has no lease, or the registry is empty. Already reported. */
export class LeaseOverError extends Error {
  override readonly name = 'LeaseOverError';
  constructor() {
    super('The lease of this process is over.');
  }
}
