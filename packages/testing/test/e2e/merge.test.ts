import { checkHistory, type HistoryEvent, type Observation } from '@hubline/testing/history';
import type { PageEvent } from '@hubline/testing/playwright';
import { describe, expect, it } from 'vitest';
import { gapsIn, merge, type Recorded } from '../../e2e/merge.ts';

const at = (atMs: number, observation: Observation, connectionId?: string): Recorded => ({
  event: { ...observation, atMs },
  ...(connectionId === undefined ? {} : { connectionId }),
});
const connected = (atMs: number, id: string, node = 'node-1'): PageEvent => ({ atMs, name: 'state', args: ['connected', id, node] });
const lost = (atMs: number): PageEvent => ({ atMs, name: 'state', args: ['reconnecting'] });
const said = (atMs: number, message: string): PageEvent => ({ atMs, name: 'said', args: [message] });
const merged = (recorded: readonly Recorded[], pages: Readonly<Record<string, readonly PageEvent[]>>): readonly HistoryEvent[] =>
  merge({ recorded, pages: new Map(Object.entries(pages)), gaps: [] });
const ofType = <T extends HistoryEvent['type']>(events: readonly HistoryEvent[], type: T) =>
  events.filter((event): event is Extract<HistoryEvent, { type: T }> => event.type === type);

describe('a merged history', () => {
  it('has a send before everything else of its millisecond, so that it is not due to a connection of that millisecond', () => {
    const events = merged([at(5, { type: 'sent', by: 'ann', message: 'm1', topic: 'all' }, 'a')], {
      ann: [connected(1, 'a')],
      ben: [connected(5, 'b')],
    });
    expect(checkHistory(events, ['clients']).violations.map(({ text }) => text)).toEqual([
      'ann did not receive m1, which ann#1 sent to all.',
    ]);
  });

  it('keeps the order of each page in one millisecond', () => {
    const events = merged([at(1, { type: 'sent', by: 'ann', message: 'm1', topic: 'all' }, 'a')], {
      ann: [connected(2, 'a'), said(2, 'm1'), lost(2), connected(2, 'b')],
    });
    expect(events.map(({ type }) => type)).toEqual(['sent', 'connected', 'joined', 'received', 'disconnected', 'connected', 'joined']);
  });

  it('has a join only on the connection that the server named', () => {
    const events = merged(
      [at(4, { type: 'joined', by: 'ann', topic: 'room' }, 'a'), at(5, { type: 'joined', by: 'ann', topic: 'room' }, 'b')],
      { ann: [connected(1, 'a'), lost(2), connected(3, 'b')] },
    );
    expect(
      ofType(events, 'joined')
        .filter(({ topic }) => topic === 'room')
        .map(({ atMs }) => atMs),
    ).toEqual([5]);
  });

  it('has a sender for each connection of a page, and one for each message of a failed call', () => {
    const send = (atMs: number, message: string, id?: string) => at(atMs, { type: 'sent', by: 'ann', message, topic: 'all' }, id);
    const events = merged([send(2, 'm1', 'a'), send(5, 'm2'), send(6, 'm3', 'b')], {
      ann: [connected(1, 'a'), lost(3), connected(4, 'b')],
    });
    expect(ofType(events, 'sent').map(({ by }) => by)).toEqual(['ann#1', 'ann (m2)', 'ann#2']);
  });

  it('ends the senders on a killed node, and no later or other one', () => {
    const events = merged([at(4, { type: 'ended', by: 'node-1' })], {
      ann: [connected(1, 'a'), lost(5), connected(6, 'b')],
      ben: [connected(1, 'c', 'node-2')],
    });
    expect(ofType(events, 'ended').map(({ by }) => by)).toEqual(['node-1', 'ann#1']);
  });

  it('needs an outcome of a connection that was open before the call and a second after it', () => {
    const call = (clients: readonly string[]) => [
      at(10, { type: 'called', by: 'ann', call: 'c1', clients }),
      at(20, { type: 'outcome', call: 'c1', client: 'a', status: 'fulfilled' }),
      at(20, { type: 'settled', call: 'c1' }),
    ];
    const pages = {
      ann: [connected(1, 'a')],
      ben: [connected(1, 'b'), lost(500)],
      eva: [connected(11, 'c')],
      dan: [connected(1, 'd'), lost(1500), connected(1600, 'e')],
    };
    expect(ofType(merged(call(['*']), pages), 'called').map(({ clients }) => clients)).toEqual([['ann#1', 'dan#1']]);
    expect(ofType(merged(call(['d']), pages), 'called').map(({ clients }) => clients)).toEqual([['dan#1']]);
    expect(checkHistory(merged(call(['*']), pages), ['clients']).violations.map(({ kind }) => kind)).toEqual(['outcome_missing']);
  });

  it('needs the connection id and the node of each connection', () => {
    expect(() => merged([], { ann: [{ atMs: 1, name: 'state', args: ['connected'] }] })).toThrow('named no connection or no node to ann');
  });
});

it('the gaps of a node are read from its output', () => {
  const log = [
    '{"url":"http://127.0.0.1:1","atMs":1}',
    '{"gap":{"channel":"x","lost":3,"ms":4},"atMs":7}',
    '{"gap":{"ms":4},"atMs":9}',
    'text',
  ];
  expect(gapsIn(log.join('\n'), 'node-1')).toEqual([
    { atMs: 7, type: 'gap', node: 'node-1', lost: 3 },
    { atMs: 9, type: 'gap', node: 'node-1' },
  ]);
});
