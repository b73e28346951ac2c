import type { ConnectionState } from '@hubline/client';
import type { Message, NodeStatus, PeopleEvent, Person, PollEvent, Question, Vitals } from '../contract.ts';

/** Everything that the page shows. Replaced whole, never changed. */
export interface View {
  readonly name: string;
  readonly nodeId: string;
  readonly room: string;
  readonly connection: ConnectionState;
  /** States of the connection, latest last. */
  readonly log: readonly LogLine[];
  readonly nodes: readonly NodeStatus[];
  readonly people: ReadonlyMap<string, Person>;
  readonly entries: readonly Entry[];
  /** The message heard last, whoever said it where. */
  readonly heard?: Message;
  /** The question that this tab is asked. */
  readonly questions: readonly Question[];
  /** The last question of this tab. */
  readonly poll?: Poll;
  readonly stream: Stream;
  /** The error of the last action of the person. */
  readonly problem?: string;
}

export interface LogLine {
  readonly id: number;
  readonly at: number;
  readonly state: ConnectionState['name'];
  readonly text: string;
}

/** A line in the room. */
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
  /** Of a failure. */
  readonly code?: string;
}

export interface Sample extends Vitals {
  /** From the node's clock to ours: both are this machine's. */
  readonly latencyMs: number;
}

export interface Stream {
  readonly running: boolean;
  readonly received: number;
  /** Latest last. */
  readonly samples: readonly Sample[];
  /** The node's last message before it stopped. */
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

export function logged({ log }: View, line: Omit<LogLine, 'id'>): Partial<View> {
  return { log: [...log, { ...line, id: (log.at(-1)?.id ?? 0) + 1 }].slice(-LOG_KEPT) };
}

/** A message may come twice, live and from the history, and in any order. */
export function heard({ entries, room }: View, message: Message): Partial<View> {
  const key = `message-${message.id}`;
  if (message.room !== room || entries.some((entry) => entry.key === key)) return {};
  const all: Entry[] = [...entries, { type: 'message', key, message }];
  all.sort((a, b) => atOf(a) - atOf(b));
  return { entries: all.slice(-ENTRIES_KEPT) };
}

const atOf = (entry: Entry): number => (entry.type === 'message' ? entry.message.at : entry.at);

let notices = 0;

function noticed(entries: readonly Entry[], person: Person, text: string): readonly Entry[] {
  const entry: Entry = { type: 'notice', key: `notice-${++notices}`, at: Date.now(), person, text };
  return [...entries, entry].slice(-ENTRIES_KEPT);
}

export function seen(view: View, event: PeopleEvent): Partial<View> {
  if (event.type === 'snapshot') return { people: new Map(event.people.map((person) => [person.connectionId, person])) };
  const { person } = event;
  const people = new Map(view.people);
  const before = people.get(person.connectionId)?.room;
  if (event.type === 'leave') people.delete(person.connectionId);
  else people.set(person.connectionId, person);
  const after = event.type === 'leave' ? undefined : person.room;
  const text =
    before === after || view.connection.name !== 'connected' || person.connectionId === view.connection.connectionId ? undefined
    : after === view.room ? `came in on ${person.nodeId}`
    : before !== view.room ? undefined
    : event.type !== 'leave' ? `went to ${after}`
    : event.reason === 'node_lost' ? `is gone with ${person.nodeId}`
    : 'left';
  return { people, ...(text ? { entries: noticed(view.entries, person, text) } : {}) };
}

export function polled(poll: Poll, event: PollEvent): Poll {
  if (event.type === 'asked') return { ...poll, rows: event.people.map((person) => ({ person, outcome: 'pending' })) };
  const outcome =
    event.type === 'failure' ? ({ outcome: 'failed', code: event.code } as const) : ({ outcome: event.yes ? 'yes' : 'no' } as const);
  const { connectionId, nodeId } = event;
  const known = poll.rows.some((row) => row.person.connectionId === connectionId);
  // A client that connected between the query and the question is asked too.
  const stranger: Person = { connectionId, nodeId, name: connectionId, room: '', companion: false };
  const rows = known ? poll.rows : [...poll.rows, { person: stranger, outcome: 'pending' as const }];
  return { ...poll, rows: rows.map((row) => (row.person.connectionId === connectionId ? { ...row, ...outcome } : row)) };
}

export function ticked(stream: Stream, vitals: Vitals): Stream {
  const sample = { ...vitals, latencyMs: Math.max(0, Date.now() - vitals.at) };
  return { ...stream, received: stream.received + 1, samples: [...stream.samples, sample].slice(-SAMPLES_SHOWN) };
}
