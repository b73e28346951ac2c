import type { HistoryEvent } from './observation.ts';

/** How many events around those of a violation are shown. */
const AROUND = 2;
const MAX_LINES = 60;

/**
 * Prints the events of a violation with those around them, all faults, and everything about the messages and calls of the violation. `▶`
 * marks the events that show it. Other events are counted.
 */
export function timeline(events: readonly HistoryEvent[], shown: readonly HistoryEvent[] = []): string {
  const marked = new Set(shown);
  const subjects = new Set(shown.flatMap(subjectOf));
  const near = new Set(events.flatMap((event, at) => (marked.has(event) ? around(at) : [])));
  const isKept = (event: HistoryEvent, at: number): boolean =>
    shown.length === 0 ||
    near.has(at) ||
    ['fault', 'healed', 'ended', 'gap', 'connected', 'disconnected'].includes(event.type) ||
    subjectOf(event).some((subject) => subjects.has(subject));
  const startMs = events[0]?.atMs ?? 0;
  const width = Math.max(...events.map((event) => whoOf(event).length), 0);
  const lines: string[] = [];
  let omitted = 0;
  const count = (): void => {
    if (omitted > 0) lines.push(`      … ${omitted} other events`);
    omitted = 0;
  };
  events.forEach((event, at) => {
    if (!marked.has(event) && (!isKept(event, at) || lines.length >= MAX_LINES)) return void omitted++;
    count();
    const ms = `+${Math.round(event.atMs - startMs)} ms`.padStart(11);
    lines.push(`${marked.has(event) ? '▶' : ' '} ${ms}  ${whoOf(event).padEnd(width)}  ${textOf(event)}`);
  });
  count();
  return lines.join('\n');
}

const around = (at: number): readonly number[] => Array.from({ length: 2 * AROUND + 1 }, (_, i) => at - AROUND + i);

/** The messages and calls that an event is about. */
function subjectOf(event: HistoryEvent): readonly string[] {
  if ('message' in event) return [`message ${event.message}`];
  return 'call' in event ? [`call ${event.call}`] : [];
}

function whoOf(event: HistoryEvent): string {
  if ('by' in event) return event.by;
  return event.type === 'gap' ? event.node : '';
}

function textOf(event: HistoryEvent): string {
  switch (event.type) {
    case 'connected':
      return `connected to ${event.node}`;
    case 'joined':
    case 'left':
      return `${event.type} ${event.topic}`;
    case 'sent':
      return `sent ${event.message} to ${event.topic}`;
    case 'confirmed':
      return `${event.message} was confirmed`;
    case 'rejected':
      return `${event.message} was rejected${event.code === undefined ? '' : `: ${event.code}`}`;
    case 'received':
      return `received ${event.message}`;
    case 'seen':
      return `saw ${event.members.join(', ') || 'nobody'} in ${event.topic}${event.complete ? '' : ' (incomplete)'}`;
    case 'called':
      return `called ${event.call}`;
    case 'outcome':
      return `${event.call}: ${event.client} ${event.status}`;
    case 'settled':
      return `${event.call} settled${event.missingNodes?.length ? `, without ${event.missingNodes.join(', ')}` : ''}`;
    case 'gap':
      return `reported a gap of ${event.lost ?? 'an unknown number of'} messages${event.topic === undefined ? '' : ` in ${event.topic}`}`;
    case 'fault':
      return `── fault: ${event.name}`;
    case 'healed':
      return `── healed: ${event.name}`;
    case 'disconnected':
    case 'ended':
      return event.type;
  }
}
