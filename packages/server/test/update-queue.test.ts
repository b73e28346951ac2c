import { describe, expect, it } from 'vitest';
import { mergeUpdates, type PresenceUpdate } from '../src/presence/presence-events.ts';
import { UpdateQueue } from '../src/presence/update-queue.ts';

type Update = PresenceUpdate<object>;

function queue(maxPending = 3) {
  const present = new Set<string>();
  const updates = new UpdateQueue<Update, { readonly type: 'snapshot'; readonly ids: readonly string[]; readonly isFirst: boolean }>({
    maxPending,
    merge: mergeUpdates,
    snapshot: (isFirst) => ({ type: 'snapshot', ids: [...present], isFirst }),
  });
  const push = (type: Update['type'], connectionId: string): void => {
    if (type === 'leave') present.delete(connectionId);
    else present.add(connectionId);
    const connection = { connectionId, nodeId: 'n', attributes: {}, groups: [], connectedAt: 0 };
    updates.push(connectionId, type === 'leave' ? { type, connection, reason: 'ended' } : { type, connection });
  };
  const reader = updates.drain();
  /** Ends the queue, and returns its remaining updates. */
  const read = async (): Promise<readonly string[]> => {
    const lines: string[] = [];
    updates.end();
    for await (const event of reader) {
      lines.push(
        event.type === 'snapshot' ? `snapshot ${event.ids.join()} ${event.isFirst}` : `${event.type} ${event.connection.connectionId}`,
      );
    }
    return lines;
  };
  return { updates, push, read };
}

describe('the unread updates of a watch', () => {
  it('the unread updates of a watch are at most one for each connection, in order of the first ones', async () => {
    const { push, read } = queue();
    push('update', 'a');
    push('update', 'b');
    for (let i = 0; i < 1000; i++) push('update', 'a');
    push('leave', 'b');
    push('join', 'c');
    push('update', 'c');
    expect(await read()).toEqual(['update a', 'leave b', 'join c']);
  });

  it('the unread updates of a watch contain no connection that joined and left meanwhile', async () => {
    const { push, read, updates } = queue();
    for (let i = 0; i < 1000; i++) {
      push('join', `c${i}`);
      push('update', `c${i}`);
      push('leave', `c${i}`);
    }
    expect(updates.size).toBe(0);
    expect(await read()).toEqual([]);
  });

  it('the unread updates of a watch show a connection that left and joined again as an update', async () => {
    const { push, read } = queue();
    push('leave', 'a');
    push('join', 'a');
    expect(await read()).toEqual(['update a']);
  });

  it('the unread updates of a watch become one snapshot past maxPending, with the state at the time of reading', async () => {
    const { push, read, updates } = queue();
    updates.resynchronise();
    for (const id of ['a', 'b', 'c', 'd', 'e']) push('join', id);
    expect(updates.size).toBe(0);
    push('leave', 'a');
    expect(await read()).toEqual(['snapshot b,c,d,e true']);
  });

  it('the unread updates of a watch continue after a snapshot', async () => {
    const { push, updates } = queue();
    const reader = updates.drain();
    for (const id of ['a', 'b', 'c', 'd']) push('join', id);
    expect((await reader.next()).value).toMatchObject({ type: 'snapshot', isFirst: true });
    push('leave', 'a');
    expect((await reader.next()).value).toMatchObject({ type: 'leave' });
    for (const id of ['e', 'f', 'g', 'h']) push('join', id);
    expect((await reader.next()).value).toMatchObject({ type: 'snapshot', ids: ['b', 'c', 'd', 'e', 'f', 'g', 'h'], isFirst: false });
    updates.end(new Error('over'));
    await expect(reader.next()).rejects.toThrow('over');
  });
});
