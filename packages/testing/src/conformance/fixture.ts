import type { Backplane, ProcessId } from '@hubline/server/backplane';

/** Creates the backplanes that a suite tests, and causes their faults. */
export interface BackplaneFixture<B extends Backplane> {
  /** Creates an empty backplane for one test. All nodes of the test open their links on it. */
  create(): B | Promise<B>;
  /** Called after the test, when every link is closed. */
  dispose?(backplane: B): void | Promise<void>;
  /** The faults of the backplane. Without them only the tests that need no fault exist. */
  readonly faults?: BackplaneFaults<B> | undefined;
  /** The time limit of each wait in milliseconds, including the end of a lease. Default 5,000. */
  readonly timeoutMs?: number;
}

/** A function for every fault, or the reason why the backplane cannot have it, which the report shows. */
export interface BackplaneFaults<B extends Backplane> {
  /** Freezes the process: its lease is alive, and it sends and receives nothing. */
  readonly freeze: Fault<B>;
  /** Ends the lease of the process, which gets none until `thaw`. The process may be frozen too. */
  readonly expire: Fault<B>;
  /** Resumes a frozen or expired process, which must detect without help what it has missed. */
  readonly thaw: Fault<B>;
  /** Takes the link of the process down. Its lease stays alive. */
  readonly cut: Fault<B>;
  readonly heal: Fault<B>;
  /** Deletes the entries of this kind that the process has written. */
  readonly lose: EntryFault<B>;
  /** Overwrites the entries of this kind of the process with values that no node can read. */
  readonly spoil: EntryFault<B>;
  /** Replaces the keys with the entries of this kind of the process by values of another type. */
  readonly retype: EntryFault<B>;
  /** Deletes all entries of all processes at once. */
  readonly flush: Fault<B>;
}

/** The kinds of entries that a process writes into the directory. */
export const ENTRIES = [
  'registry',
  'lease',
  'topics',
  'counts',
  'members',
  'records',
  'groups',
  'watches',
  'watched',
  'flushed',
  'writes',
] as const;
export type Entry = (typeof ENTRIES)[number];

export type EntryFault<B> = ((backplane: B, process: ProcessId, entry: Entry) => void | Promise<void>) | LackingFault;

export type Fault<B> = ((backplane: B, process: ProcessId) => void | Promise<void>) | LackingFault;
export interface LackingFault {
  /** The reason. Tests that need the fault are reported as skipped with this text. */
  readonly lacking: string;
}
export type FaultName = keyof BackplaneFaults<Backplane>;
