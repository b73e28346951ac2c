import type { Memberships } from './memberships.ts';
import { eventsOf, type HistoryEvent } from './observation.ts';
import type { Violation } from './violation.ts';

/** Checks that each call settles once, with one outcome for each of its clients whose node is not missing. */
export function checkCalls(events: readonly HistoryEvent[], memberships: Memberships): readonly Violation[] {
  const settled = eventsOf(events, 'settled').map(({ event }) => event);
  const outcomes = eventsOf(events, 'outcome').map(({ event }) => event);
  return eventsOf(events, 'called').flatMap(({ event: called }): readonly Violation[] => {
    const { by, call, clients = [] } = called;
    const ends = settled.filter((each) => each.call === call);
    const [end, second] = ends;
    if (!end) return [{ kind: 'call_not_settled', text: `The call ${call} of ${by} did not settle.`, events: [called] }];
    if (second) return [{ kind: 'call_settled_twice', text: `The call ${call} of ${by} settled twice.`, events: [called, end, second] }];
    return clients.flatMap((client): readonly Violation[] => {
      const ofClient = outcomes.filter((each) => each.call === call && each.client === client);
      if (ofClient.length === 1) return [];
      if (ofClient.length > 1) {
        return [{ kind: 'outcome_doubled', text: `The call ${call} has two outcomes for ${client}.`, events: [called, ...ofClient] }];
      }
      if (memberships.nodesOf(client).some((node) => end.missingNodes?.includes(node))) return [];
      const text = `The call ${call} settled without an outcome for ${client}, and its node is not missing.`;
      return [{ kind: 'outcome_missing', text, events: [called, end] }];
    });
  });
}
