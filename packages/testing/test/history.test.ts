import { readFileSync } from 'node:fs';
import { checkHistory, History, SITUATIONS, timeline, type HistoryEvent, type Observation, type Situation } from '@hubline/testing/history';
import { describe, expect, it } from 'vitest';

/** Two clients on two nodes, members of `room`. */
const START: readonly Observation[] = [
  { type: 'connected', by: 'ann', node: 'node-1' },
  { type: 'connected', by: 'ben', node: 'node-2' },
  { type: 'joined', by: 'ann', topic: 'room' },
  { type: 'joined', by: 'ben', topic: 'room' },
];
const sent = (message: string, by = 'node-1'): Observation => ({ type: 'sent', by, message, topic: 'room' });
const confirmed = (message: string): Observation => ({ type: 'confirmed', message });
const rejected = (message: string): Observation => ({ type: 'rejected', message, code: 'backplane_unavailable' });
const received = (by: string, ...messages: string[]): Observation[] => messages.map((message) => ({ type: 'received', by, message }));
const saw = (by: string, ...members: string[]): Observation => ({ type: 'seen', by, topic: 'room', members, complete: true });
const gap = (lost?: number, node = 'node-2'): Observation => ({ type: 'gap', node, ...(lost === undefined ? {} : { lost }) });
const gone = (by: string): Observation => ({ type: 'disconnected', by });
const left = (by: string): Observation => ({ type: 'left', by, topic: 'room' });
const ended = (by: string): Observation => ({ type: 'ended', by });

const after = (...observations: readonly Observation[]): HistoryEvent[] =>
  [...START, ...observations].map((each, i) => ({ ...each, atMs: 1000 + 10 * i }));

interface Case {
  readonly title: string;
  readonly events: readonly Observation[];
  readonly in?: readonly Situation[];
  readonly kinds: readonly string[];
}

const both = [...received('ann', 'm1'), ...received('ben', 'm1')];

const CASES: readonly Case[] = [
  {
    title: 'messages that every member received in order',
    events: [sent('m1'), sent('m2'), ...received('ann', 'm1', 'm2'), ...received('ben', 'm1', 'm2')],
    kinds: [],
  },
  {
    title: 'messages of two senders in different orders',
    events: [sent('m1'), sent('n1', 'node-2'), ...received('ann', 'm1', 'n1'), ...received('ben', 'n1', 'm1')],
    kinds: [],
  },
  {
    title: 'a confirmed message that a member did not receive',
    events: [sent('m1'), confirmed('m1'), ...received('ann', 'm1')],
    kinds: ['lost'],
  },
  { title: 'an unconfirmed message that a member did not receive', events: [sent('m1'), ...received('ann', 'm1')], kinds: ['lost'] },
  { title: 'a rejected message that only one member received', events: [sent('m1'), ...received('ann', 'm1'), rejected('m1')], kinds: [] },
  {
    title: 'a message that a member missed before it left',
    events: [sent('m1'), sent('m2'), ...received('ann', 'm1', 'm2'), ...received('ben', 'm2'), left('ben')],
    kinds: ['lost'],
  },
  {
    title: 'a message that was in flight when its receiver disconnected',
    events: [sent('m1'), ...received('ann', 'm1'), gone('ben')],
    kinds: [],
  },
  {
    title: 'a message that was sent before the join',
    events: [
      gone('ben'),
      sent('m1'),
      ...received('ann', 'm1'),
      { type: 'connected', by: 'ben', node: 'node-1' },
      { type: 'joined', by: 'ben', topic: 'room' },
    ],
    kinds: [],
  },
  {
    title: 'a message that is received again on a new connection',
    events: [sent('m1'), ...both, { type: 'connected', by: 'ben', node: 'node-1' }, ...received('ben', 'm1')],
    kinds: [],
  },
  {
    title: 'a message that is received twice on one connection',
    events: [sent('m1'), ...both, ...received('ben', 'm1')],
    kinds: ['doubled'],
  },
  {
    title: 'messages of one sender in another order',
    events: [sent('m1'), sent('m2'), ...received('ann', 'm1', 'm2'), ...received('ben', 'm2', 'm1')],
    kinds: ['reordered'],
  },
  { title: 'a message that nobody sent', events: [...received('ann', 'm1')], kinds: ['never_sent'] },
  {
    title: 'a message that arrives before it is sent',
    events: [...received('ann', 'm1'), sent('m1'), ...received('ben', 'm1')],
    kinds: ['never_sent'],
  },
  { title: 'a message to a client that has left', events: [left('ben'), sent('m1'), ...both], kinds: ['wrong_receiver'] },
  { title: 'a message to a client that left later', events: [sent('m1'), left('ben'), ...both], kinds: [] },
  { title: 'a gap without a fault', events: [sent('m1'), ...both, gap(1)], kinds: ['gap_without_cause'] },
  {
    title: 'a gap in an outage within the limits of repair',
    events: [sent('m1'), ...received('ann', 'm1'), gap(1)],
    in: ['outage'],
    kinds: ['lost', 'gap_without_cause'],
  },
  {
    title: 'a reported gap after a kill',
    events: [sent('m1'), confirmed('m1'), ...received('ann', 'm1'), gap(1)],
    in: ['killed'],
    kinds: [],
  },
  { title: 'a gap without a number', events: [sent('m1'), sent('m2'), ...received('ann', 'm1', 'm2'), gap()], in: ['killed'], kinds: [] },
  {
    title: 'more missing messages than the gap has',
    events: [sent('m1'), sent('m2'), ...received('ann', 'm1', 'm2'), gap(1)],
    in: ['killed'],
    kinds: ['gap_not_reported'],
  },
  {
    title: 'a gap of another node',
    events: [sent('m1'), ...received('ann', 'm1'), gap(1, 'node-1')],
    in: ['killed'],
    kinds: ['gap_not_reported'],
  },
  {
    title: 'a gap before the message',
    events: [gap(1), sent('m1'), ...received('ann', 'm1')],
    in: ['longOutage'],
    kinds: ['gap_not_reported'],
  },
  {
    title: 'a gap of another topic',
    events: [sent('m1'), ...received('ann', 'm1'), { type: 'gap', node: 'node-2', topic: 'hall', lost: 1 }],
    in: ['expired'],
    kinds: ['gap_not_reported'],
  },
  { title: 'an unconfirmed message of a killed sender', events: [sent('m1'), ended('node-1')], in: ['killed'], kinds: [] },
  {
    title: 'a confirmed message of a killed sender without a gap',
    events: [sent('m1'), confirmed('m1'), ended('node-1'), ...received('ann', 'm1')],
    in: ['killed'],
    kinds: ['gap_not_reported'],
  },
  { title: 'a last answer with all members', events: [saw('node-1', 'ben', 'ann')], kinds: [] },
  {
    title: 'a last answer with a client that is gone',
    events: [gone('ben'), saw('node-1', 'ann', 'ben')],
    in: ['killed'],
    kinds: ['presence_not_converged'],
  },
  { title: 'a last answer without a member', events: [saw('node-1', 'ann')], kinds: ['presence_not_converged'] },
  {
    title: 'a last answer that is incomplete',
    events: [{ type: 'seen', by: 'node-1', topic: 'room', members: ['ann', 'ben'], complete: false }],
    in: ['outage'],
    kinds: ['presence_not_converged'],
  },
  {
    title: 'a last answer from before changes that have no effect',
    events: [saw('node-1', 'ann', 'ben'), left('ben'), { type: 'joined', by: 'ben', topic: 'room' }],
    in: ['clients'],
    kinds: ['presence_not_converged'],
  },
  {
    title: 'a last answer from before the last change',
    events: [saw('node-1', 'ann', 'ben'), gone('ben')],
    in: ['clients'],
    kinds: ['presence_not_converged'],
  },
  {
    title: 'a wrong answer during a fault, and a right one after it',
    events: [gone('ben'), saw('node-1', 'ann', 'ben'), saw('node-1', 'ann')],
    in: ['killed'],
    kinds: [],
  },
  {
    title: 'a wrong answer without a fault, and a right one after it',
    events: [gone('ben'), saw('node-1', 'ann', 'ben'), saw('node-1', 'ann')],
    kinds: ['presence_wrong'],
  },
  {
    title: 'a call that settles once',
    events: [
      { type: 'called', by: 'ann', call: 'c' },
      { type: 'settled', call: 'c' },
    ],
    kinds: [],
  },
  {
    title: 'a call that does not settle',
    events: [{ type: 'called', by: 'ann', call: 'c' }],
    in: ['killed', 'longOutage'],
    kinds: ['call_not_settled'],
  },
  {
    title: 'a call that settles twice',
    events: [
      { type: 'called', by: 'ann', call: 'c' },
      { type: 'settled', call: 'c' },
      { type: 'settled', call: 'c' },
    ],
    kinds: ['call_settled_twice'],
  },
  {
    title: 'a call with an outcome for each client or its missing node',
    events: [
      { type: 'called', by: 'ann', call: 'c', clients: ['ann', 'ben'] },
      { type: 'outcome', call: 'c', client: 'ann', status: 'fulfilled' },
      { type: 'settled', call: 'c', missingNodes: ['node-2'] },
    ],
    in: ['killed'],
    kinds: [],
  },
  {
    title: 'a call without an outcome for a client',
    events: [
      { type: 'called', by: 'ann', call: 'c', clients: ['ann', 'ben'] },
      { type: 'outcome', call: 'c', client: 'ann', status: 'fulfilled' },
      { type: 'settled', call: 'c' },
    ],
    kinds: ['outcome_missing'],
  },
  {
    title: 'a call with two outcomes for a client',
    events: [
      { type: 'called', by: 'ann', call: 'c', clients: ['ann'] },
      { type: 'outcome', call: 'c', client: 'ann', status: 'fulfilled' },
      { type: 'outcome', call: 'c', client: 'ann', status: 'call_timeout' },
      { type: 'settled', call: 'c' },
    ],
    kinds: ['outcome_doubled'],
  },
];

describe('checkHistory', () => {
  it.each(CASES)('checkHistory finds [$kinds] in a history with $title', ({ events, in: situations, kinds }) => {
    const verdict = checkHistory(after(...events), situations);
    expect(verdict.violations.map(({ kind }) => kind).sort()).toEqual([...kinds].sort());
    expect(verdict.first?.kind).toBe(verdict.violations[0]?.kind);
  });

  it('checkHistory names the violation that began first', () => {
    const { first, report } = checkHistory(after(sent('m1'), sent('m2'), ...received('ann', 'm1', 'm2'), ...received('ben', 'm2', 'm2')));
    expect(first).toMatchObject({ kind: 'lost', text: 'ben did not receive m1, which node-1 sent to room.' });
    expect(report).toMatch(/^lost: ben did not receive m1, which node-1 sent to room\. \(and 1 more\)\n/);
  });

  it('every situation quotes docs/guarantees.md', () => {
    const text = readFileSync(new URL('../../../docs/guarantees.md', import.meta.url), 'utf8').replaceAll(/\s+/g, ' ');
    expect(Object.values(SITUATIONS).filter(({ source }) => !text.includes(source))).toEqual([]);
  });
});

describe('timeline', () => {
  it('timeline marks the events of a violation, shows faults, and counts the other events', () => {
    const others = Array.from({ length: 20 }, (_, i) => [
      sent(`n${i}`, 'node-2'),
      ...received('ann', `n${i}`),
      ...received('ben', `n${i}`),
    ]).flat();
    const events = after({ type: 'fault', name: 'kill node-3' }, ...others, sent('m1'), confirmed('m1'), ...received('ann', 'm1'));
    const { first, report } = checkHistory(events, ['killed']);
    expect(report.split('\n').slice(1)).toEqual([
      '        +0 ms  ann     connected to node-1',
      '       +10 ms  ben     connected to node-2',
      '      … 2 other events',
      '       +40 ms          ── fault: kill node-3',
      '      … 58 other events',
      '      +630 ms  ann     received n19',
      '      +640 ms  ben     received n19',
      '▶     +650 ms  node-1  sent m1 to room',
      '      +660 ms          m1 was confirmed',
      '      +670 ms  ann     received m1',
    ]);
    expect(timeline(events, first?.events)).toBe(report.slice(report.indexOf('\n') + 1));
    expect(timeline(events).split('\n').length).toBeLessThan(65);
  });
});

describe('History', () => {
  it('History records events with their times, and verify throws the report of the first violation', () => {
    let now = 5000;
    const history = new History({ now: () => now++ });
    for (const observation of [...START, sent('m1'), ...received('ann', 'm1')]) history.record(observation);
    expect(history.events.map(({ atMs }) => atMs)).toEqual([5000, 5001, 5002, 5003, 5004, 5005]);
    expect(history.check().recorded).toEqual({ connected: 2, joined: 2, sent: 1, received: 1 });
    expect(() => history.verify()).toThrow('lost: ben did not receive m1');
    for (const observation of received('ben', 'm1')) history.record(observation);
    history.verify();
    expect(history.check().report).toBe('No promise is violated.');
  });
});
