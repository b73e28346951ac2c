import type { Memberships, Membership } from './memberships.ts';
import { eventsOf, type HistoryEvent, type Positioned } from './observation.ts';
import type { Promises } from './situations.ts';
import type { Violation } from './violation.ts';

type Sent = Positioned<'sent'>;
type Received = Positioned<'received'>;

/** Checks that each message reaches each member of its topic once, in the order of its sender. */
export function checkMessages(
  events: readonly HistoryEvent[],
  memberships: Memberships,
  { gaps }: Pick<Promises, 'gaps'>,
): readonly Violation[] {
  const sent = new Map(eventsOf(events, 'sent').map((each) => [each.event.message, each]));
  const received = groupedBy(eventsOf(events, 'received'), ({ event, at }) =>
    inConnection(event.by, memberships.connectionAt(event.by, at)),
  );
  const rejected = new Set(eventsOf(events, 'rejected').map(({ event }) => event.message));
  const confirmed = new Set(eventsOf(events, 'confirmed').map(({ event }) => event.message));
  const ended = new Set(eventsOf(events, 'ended').map(({ event }) => event.by));
  const isPromised = ({ event }: Sent): boolean => !rejected.has(event.message) && (confirmed.has(event.message) || !ended.has(event.by));
  const missing = memberships.all.flatMap((membership) =>
    missingIn(
      membership,
      [...sent.values()].filter(isPromised),
      received.get(inConnection(membership.client, membership.connection)) ?? [],
    ),
  );
  return [
    ...[...received.values()].flatMap((ofConnection) => [
      ...unknownIn(ofConnection, sent),
      ...doubledIn(ofConnection, sent),
      ...reorderedIn(ofConnection, sent),
      ...strayIn(ofConnection, sent, memberships),
    ]),
    ...(gaps === 'allowed' ? unreported(missing, events) : [...missing.map(lost), ...eventsOf(events, 'gap').map(withoutCause)]),
  ];
}

interface Missing {
  readonly sent: Sent;
  readonly membership: Membership;
}

/**
 * Returns the messages that a member did not receive. A member that left or disconnected may lack the last ones, but none before one that it
 * received.
 */
function missingIn(membership: Membership, sent: readonly Sent[], received: readonly Received[]): readonly Missing[] {
  const names = new Set(received.map(({ event }) => event.message));
  const due = sent.filter(({ event, at }) => event.topic === membership.topic && membership.from < at && at < membership.to);
  /** By sender, the position of the last message that was received. */
  const last = new Map(due.flatMap(({ event, at }) => (names.has(event.message) ? [[event.by, at] as const] : [])));
  return due
    .filter(({ event, at }) => !names.has(event.message) && (membership.to === Infinity || at < (last.get(event.by) ?? -1)))
    .map((each) => ({ sent: each, membership }));
}

const lost = ({ sent: { event }, membership }: Missing): Violation => ({
  kind: 'lost',
  text: `${membership.client} did not receive ${event.message}, which ${event.by} sent to ${event.topic}.`,
  events: [event],
});

const withoutCause = ({ event }: Positioned<'gap'>): Violation => ({
  kind: 'gap_without_cause',
  text: `${event.node} reported a gap, though no message may be lost in this situation.`,
  events: [event],
});

/** Returns the missing messages that no gap of the receiver's node covers. A gap with a number covers that many messages. */
function unreported(missing: readonly Missing[], events: readonly HistoryEvent[]): readonly Violation[] {
  const gaps = eventsOf(events, 'gap').map(({ event, at }) => ({ event, at, left: event.lost ?? Infinity, covered: new Set<string>() }));
  return missing.flatMap(({ sent, membership }) => {
    const { message, topic } = sent.event;
    const candidates = gaps.filter(({ event, at }) => event.node === membership.node && at > sent.at && (event.topic ?? topic) === topic);
    if (candidates.some(({ covered }) => covered.has(message))) return []; // another member of this node lacks it too
    const gap = candidates.find(({ left }) => left > 0);
    if (!gap) {
      const text = `${membership.client} did not receive ${message}, and ${membership.node ?? 'its node'} reported no gap for it.`;
      return [{ kind: 'gap_not_reported' as const, text, events: [sent.event] }];
    }
    gap.left--;
    gap.covered.add(message);
    return [];
  });
}

function unknownIn(received: readonly Received[], sent: ReadonlyMap<string, Sent>): readonly Violation[] {
  return received
    .filter(({ event, at }) => (sent.get(event.message)?.at ?? Infinity) > at)
    .map(({ event }) => ({ kind: 'never_sent', text: `${event.by} received ${event.message}, which nobody had sent.`, events: [event] }));
}

function doubledIn(received: readonly Received[], sent: ReadonlyMap<string, Sent>): readonly Violation[] {
  const first = new Map<string, Received>();
  return received.flatMap((each) => {
    const { message, by } = each.event;
    const before = first.get(message);
    if (!before) {
      first.set(message, each);
      return [];
    }
    const origin = sent.get(message);
    const events = [...(origin ? [origin.event] : []), before.event, each.event];
    return [{ kind: 'doubled' as const, text: `${by} received ${message} twice on one connection.`, events }];
  });
}

/** Compares each message with the latest one of its sender and topic that was received before it. */
function reorderedIn(received: readonly Received[], sent: ReadonlyMap<string, Sent>): readonly Violation[] {
  const latest = new Map<string, { readonly sent: Sent; readonly received: Received }>();
  const names = new Set<string>();
  return received.flatMap((each) => {
    const { message, by } = each.event;
    const origin = sent.get(message);
    if (!origin || names.has(message)) return [];
    names.add(message);
    const stream = JSON.stringify([origin.event.by, origin.event.topic]);
    const before = latest.get(stream);
    if (!before || before.sent.at < origin.at) {
      latest.set(stream, { sent: origin, received: each });
      return [];
    }
    const text = `${by} received ${before.sent.event.message} before ${message}, which ${origin.event.by} had sent first.`;
    return [{ kind: 'reordered' as const, text, events: [origin.event, before.sent.event, before.received.event, each.event] }];
  });
}

/** Returns what a connection received after it had left the topic. What it received before its join resolved is right. */
function strayIn(received: readonly Received[], sent: ReadonlyMap<string, Sent>, { all }: Memberships): readonly Violation[] {
  return received.flatMap(({ event }) => {
    const origin = sent.get(event.message);
    if (!origin) return [];
    const { topic } = origin.event;
    const joins = all.filter((each) => each.client === event.by && each.topic === topic);
    if (joins.some(({ to }) => to > origin.at)) return [];
    const text = `${event.by} received ${event.message}, which ${origin.event.by} sent to ${topic} when ${event.by} was no member.`;
    return [{ kind: 'wrong_receiver' as const, text, events: [origin.event, event] }];
  });
}

const inConnection = (client: string, connection: number): string => JSON.stringify([client, connection]);

function groupedBy<T>(items: readonly T[], key: (item: T) => string): ReadonlyMap<string, readonly T[]> {
  const groups = new Map<string, T[]>();
  for (const item of items) {
    const name = key(item);
    const group = groups.get(name);
    if (group) group.push(item);
    else groups.set(name, [item]);
  }
  return groups;
}
