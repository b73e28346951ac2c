import type { ConnectionState } from '@hubline/client';
import type { Message, NodeStatus, PeopleEvent, Person, NodeMetrics, PollEvent, Question } from '../contract.ts';

/** All data that the page shows. Each change creates a new view. */
export interface View {
  readonly name: string;
  readonly nodeId: string;
  readonly room: string;
  readonly connection: ConnectionState;
  /** The states of the connection, oldest first. */
  readonly log: readonly LogLine[];
  readonly nodes: readonly NodeStatus[];
  readonly people: ReadonlyMap<string, Person>;
  readonly entries: readonly Entry[];
  /** The last message of any room. */
  readonly lastMessage?: Message;
  /** The questions that wait for an answer of this tab. */
  readonly questions: readonly Question[];
  /** The last question that this tab asked. */
  readonly poll?: Poll;
  readonly stream: Stream;
  /** The error of the user's last action. */
  readonly problem?: string;
}

export interface LogLine {
  readonly id: number;
  readonly at: number;
  readonly state: ConnectionState['name'];
  readonly text: string;
}

/** An entry in the log of the room. */
export type Entry =
  | { readonly type: 'message'; readonly key: string; readonly message: Message }
  | { readonly type: 'notice'; readonly key: string; readonly at: number; readonly person: Person; readonly text: string };

export interface Poll {
  readonly text: string;
  readonly timeoutMs: number;
  readonly state: 'open' | 'done' | 'withdrawn' | 'lost';
  readonly rows: readonly PollRow[];
}

export interface PollRow {
  readonly person: Person;
  readonly outcome: 'pending' | 'yes' | 'no' | 'failed';
  /** The error code of a failure. */
  readonly code?: string;
}

export interface Sample extends NodeMetrics {
  /** The time from the node to the page. Both use the clock of this machine. */
  readonly latencyMs: number;
}

export interface Stream {
  readonly running: boolean;
  readonly received: number;
  /** Oldest first. */
  readonly samples: readonly Sample[];
  /** The node's report of the end of the stream. */
  readonly ended?: { readonly sent: number; readonly cancelled: boolean };
}

export const SAMPLES_SHOWN = 120;
const ENTRIES_KEPT = 200;
const LOG_KEPT = 40;

export const emptyView = ({ name, nodeId, room }: Pick<View, 'name' | 'nodeId' | 'room'>): View => ({
  name,
  nodeId,
  room,
  connection: { name: 'idle' },
  log: [],
  nodes: [],
  people: new Map(),
  entries: [],
  questions: [],
  stream: { running: false, received: 0, samples: [] },
});

export function withLogLine({ log }: View, line: Omit<LogLine, 'id'>): Partial<View> {
  return { log: [...log, { ...line, id: (log.at(-1)?.id ?? 0) + 1 }].slice(-LOG_KEPT) };
}

/** Adds a message. It may arrive twice, live and from the history, and in any order. */
export function withMessage({ entries, room }: View, message: Message): Partial<View> {
  const key = `message-${message.id}`;
  if (message.room !== room || entries.some((entry) => entry.key === key)) return {};
  const all: Entry[] = [...entries, { type: 'message', key, message }];
  all.sort((a, b) => atOf(a) - atOf(b));
  return { entries: all.slice(-ENTRIES_KEPT) };
}

const atOf = (entry: Entry): number => (entry.type === 'message' ? entry.message.at : entry.at);

let notices = 0;

function withNotice(entries: readonly Entry[], person: Person, text: string): readonly Entry[] {
  const entry: Entry = { type: 'notice', key: `notice-${++notices}`, at: Date.now(), person, text };
  return [...entries, entry].slice(-ENTRIES_KEPT);
}

export function withPeople(view: View, event: PeopleEvent): Partial<View> {
  if (event.type === 'snapshot') return { people: new Map(event.people.map((person) => [person.connectionId, person])) };
  const { person } = event;
  const people = new Map(view.people);
  const before = people.get(person.connectionId)?.room;
  if (event.type === 'leave') people.delete(person.connectionId);
  else people.set(person.connectionId, person);
  const after = event.type === 'leave' ? undefined : person.room;
  const text =
    before === after || view.connection.name !== 'connected' || person.connectionId === view.connection.connectionId ? undefined
    : after === view.room ? `joined on ${person.nodeId}`
    : before !== view.room ? undefined
    : event.type !== 'leave' ? `moved to ${after}`
    : event.reason === 'node_lost' ? `was disconnected: ${person.nodeId} ended`
    : 'left';
  return { people, ...(text ? { entries: withNotice(view.entries, person, text) } : {}) };
}

export function withOutcome(poll: Poll, event: PollEvent): Poll {
  if (event.type === 'asked') return { ...poll, rows: event.people.map((person) => ({ person, outcome: 'pending' })) };
  const outcome =
    event.type === 'failure' ? ({ outcome: 'failed', code: event.code } as const) : ({ outcome: event.yes ? 'yes' : 'no' } as const);
  const { connectionId, nodeId } = event;
  const known = poll.rows.some((row) => row.person.connectionId === connectionId);
  // A client that connected after the query of presence gets the question too.
  const unknown: Person = { connectionId, nodeId, name: connectionId, room: '', companion: false };
  const rows = known ? poll.rows : [...poll.rows, { person: unknown, outcome: 'pending' as const }];
  return { ...poll, rows: rows.map((row) => (row.person.connectionId === connectionId ? { ...row, ...outcome } : row)) };
}

export function withTick(stream: Stream, metrics: NodeMetrics): Stream {
  const sample = { ...metrics, latencyMs: Math.max(0, Date.now() - metrics.at) };
  return { ...stream, received: stream.received + 1, samples: [...stream.samples, sample].slice(-SAMPLES_SHOWN) };
}
