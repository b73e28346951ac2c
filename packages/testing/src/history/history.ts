import { checkCalls } from './calls.ts';
import { Memberships } from './memberships.ts';
import { checkMessages } from './messages.ts';
import type { HistoryEvent, Observation } from './observation.ts';
import { checkPresence } from './presence.ts';
import { promisesIn, type Situation } from './situations.ts';
import { timeline } from './timeline.ts';
import type { Violation } from './violation.ts';

export interface HistoryOptions {
  /** The time in milliseconds. Default `Date.now`. */
  readonly now?: () => number;
}

/** Records what a test observes, in order, and checks it against the promises of docs/guarantees.md. */
export class History {
  readonly #events: HistoryEvent[] = [];
  readonly #now: () => number;

  constructor({ now = Date.now }: HistoryOptions = {}) {
    this.#now = now;
  }

  get events(): readonly HistoryEvent[] {
    return this.#events;
  }

  record(observation: Observation): void {
    this.#events.push({ ...observation, atMs: this.#now() });
  }

  /** Decides whether the promises of these situations hold. Call it when everything has arrived and settled. */
  check(...situations: readonly Situation[]): Verdict {
    return checkHistory(this.#events, situations);
  }

  /** @throws Error that names the first violation, with a timeline */
  verify(...situations: readonly Situation[]): void {
    const verdict = this.check(...situations);
    if (verdict.first) throw new Error(verdict.report);
  }
}

export interface Verdict {
  /** In the order of their first events. */
  readonly violations: readonly Violation[];
  readonly first: Violation | undefined;
  /** The number of events by type, so that a test can check that it recorded what it wants to be checked. */
  readonly recorded: Readonly<Partial<Record<HistoryEvent['type'], number>>>;
  /** The first violation, the number of the others, and a timeline. */
  readonly report: string;
}

/** Checks a history, which may be merged from several processes. `situations` are the faults that happened; none means `calm`. */
export function checkHistory(events: readonly HistoryEvent[], situations: readonly Situation[] = []): Verdict {
  const promises = promisesIn(situations);
  const memberships = new Memberships(events);
  const position = new Map(events.map((event, at) => [event, at]));
  const startOf = ({ events: [first] }: Violation): number => (first && position.get(first)) ?? 0;
  const violations = [
    ...checkMessages(events, memberships, promises),
    ...checkPresence(events, memberships, promises),
    ...checkCalls(events, memberships),
  ].sort((one, other) => startOf(one) - startOf(other));
  const [first, ...others] = violations;
  const rest = others.length > 0 ? ` (and ${others.length} more)` : '';
  const recorded: Partial<Record<HistoryEvent['type'], number>> = {};
  for (const { type } of events) recorded[type] = (recorded[type] ?? 0) + 1;
  const report = first ? `${first.kind}: ${first.text}${rest}\n${timeline(events, first.events)}` : 'No promise is violated.';
  return { violations, first, recorded, report };
}
