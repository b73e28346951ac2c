import { changesOf, type Memberships } from './memberships.ts';
import { eventsOf, type HistoryEvent, type Positioned } from './observation.ts';
import type { Promises } from './situations.ts';
import type { Violation } from './violation.ts';

/** Checks the answers about presence: the last one of each observer and topic, and in a calm situation every complete one. */
export function checkPresence(
  events: readonly HistoryEvent[],
  memberships: Memberships,
  { presence }: Pick<Promises, 'presence'>,
): readonly Violation[] {
  const seen = eventsOf(events, 'seen');
  const last = new Map(seen.map((each) => [JSON.stringify([each.event.by, each.event.topic]), each]));
  const atEnd = [...last.values()].flatMap((each) => {
    const changes = changesOf(each.event.topic, events);
    const text = differenceOf(each, memberships.at(each.event.topic, Infinity));
    const change = changes.at(-1);
    const isOld = change !== undefined && change > each.at;
    const isRight = text === undefined && each.event.complete;
    if (isRight && !isOld) return [];
    const because = isOld ? 'has not asked again after the last change' : (text ?? 'got an incomplete answer');
    const origin = change === undefined ? undefined : events[change];
    return [violation('presence_not_converged', `At the end ${each.event.by} ${because}.`, [...(origin ? [origin] : []), each.event])];
  });
  if (presence === 'at the end') return atEnd;
  const wrong = seen.flatMap((each) => {
    const text = each.event.complete ? differenceOf(each, memberships.at(each.event.topic, each.at)) : undefined;
    return text === undefined || [...last.values()].includes(each) ?
        []
      : [violation('presence_wrong', `${each.event.by} ${text}.`, [each.event])];
  });
  return [...wrong, ...atEnd];
}

function differenceOf({ event }: Positioned<'seen'>, expected: readonly string[]): string | undefined {
  const seen = [...event.members].sort();
  if (seen.length === expected.length && seen.every((name, i) => name === expected[i])) return undefined;
  return `saw ${listed(seen)} in ${event.topic} instead of ${listed(expected)}`;
}

const listed = (names: readonly string[]): string => (names.length === 0 ? 'nobody' : names.join(', '));

const violation = (kind: Violation['kind'], text: string, events: readonly HistoryEvent[]): Violation => ({ kind, text, events });
