import type { Backplane, ProcessId } from '@hubline/server/backplane';

/** How a suite gets backplanes of the kind that it tests, and what can be done to them. */
export interface BackplaneFixture<B extends Backplane> {
  /** A cluster of its own for one test, empty. The nodes of the test all open their links on this value. */
  create(): B | Promise<B>;
  /** After the test, when every link is closed. */
  dispose?(backplane: B): void | Promise<void>;
  /** Left out where nothing can be done to the backplane: then only the tests that need no fault exist. */
  readonly faults?: BackplaneFaults<B> | undefined;
  /** The longest wait for anything that has to happen, a lease's end included. Default 5,000. */
  readonly timeoutMs?: number;
}

/** Every fault is decided about: what a kind of backplane cannot do it declares, and the report shows the reason. */
export interface BackplaneFaults<B extends Backplane> {
  /** The process is alive by its lease, and neither hears nor speaks, like a stopped one. */
  readonly freeze: Fault<B>;
  /** Its lease is over when this resolves, and it has none until `thaw`. It may be frozen as well. */
  readonly expire: Fault<B>;
  /** A frozen or expired process goes on, and finds out for itself what happened to it. */
  readonly thaw: Fault<B>;
  /** Its link is down, and its lease lives. */
  readonly cut: Fault<B>;
  readonly heal: Fault<B>;
  /** What the process has written of this kind is lost. */
  readonly lose: EntryFault<B>;
  /** What the process has written of this kind has another value, which no node can read. */
  readonly spoil: EntryFault<B>;
  /** What the process has written of this kind is where a value of another type stands now. */
  readonly retype: EntryFault<B>;
  /** Everything that all processes have written is lost at once. */
  readonly flush: Fault<B>;
}

/** The kinds of what a process writes into the directory. */
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
  /** Why: the tests that need it are shown as skipped, with this text. */
  readonly lacking: string;
}
export type FaultName = keyof BackplaneFaults<Backplane>;
