import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import { encodeEnvelope, EnvelopeKind } from '../../src/backplane/envelope.ts';
import { follow } from './watch-followers.ts';
import { threeNodes } from './three-nodes.ts';

describe('a watch whose reader is slow', () => {
  it('a watch whose reader is slow combines many changes of one connection into the last one', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const client = await world.client(b);
    const watch = a.hub.presence.watch()[Symbol.asyncIterator]();
    expect((await watch.next()).value).toMatchObject({ type: 'snapshot', resynchronised: false });
    for (let i = 0; i < 300; i++) await b.hub.attributes.set(client.id, 'note', `${i}`);
    await b.hub.attributes.set(client.id, 'note', 'last');
    using other = follow(a);
    await until(() => other.present.get(client.id)?.attributes.note === 'last');
    expect((await watch.next()).value).toMatchObject({ type: 'update', connection: { attributes: { note: 'last' } } });
    await client.close();
    expect((await watch.next()).value).toMatchObject({ type: 'leave', connection: { connectionId: client.id } });
    await watch.return?.();
  });

  it('a watch whose reader is slow replaces more than a thousand unread changes by a snapshot, and continues from there', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const client = await world.client(b);
    const [watch, users] = [a.hub.presence.watch(), a.hub.presence.watchUsers()].map((each) => each[Symbol.asyncIterator]());
    for (const each of [watch, users]) expect((await each!.next()).value).toMatchObject({ type: 'snapshot', resynchronised: false });
    const present = Array.from({ length: 1500 }, (_, i) => ({
      connectionId: `${client.id.slice(0, 11)}${`${i}`.padStart(11, '0')}`,
      hub: 'room',
      userId: `u${i}`,
      attributes: {},
      groups: [],
      connectedAt: 1,
    }));
    const header = { topic: 'room:all', version: 1_000_000, present, gone: [] };
    await world.tap.publish('b', 'watch=room:all', encodeEnvelope({ kind: EnvelopeKind.presence, header }));
    using other = follow(a);
    await until(() => other.log.length > 0);
    const expected = { type: 'snapshot', resynchronised: true, complete: true, missingNodes: [] };
    const { value } = (await watch!.next()) as { readonly value: { readonly items: readonly object[] } };
    expect(value).toMatchObject(expected);
    expect(value.items).toHaveLength(1501);
    expect(((await users!.next()) as { readonly value: object }).value).toMatchObject({
      ...expected,
      items: present.map(({ userId }) => userId),
    });
    const gone = present.slice(0, 1).map(({ connectionId }) => connectionId);
    await world.tap.publish(
      'b',
      'watch=room:all',
      encodeEnvelope({ kind: EnvelopeKind.presence, header: { ...header, version: 1_000_001, present: [], gone } }),
    );
    expect((await watch!.next()).value).toMatchObject({ type: 'leave', connection: { connectionId: gone[0] } });
    for (const each of [watch, users]) await each!.return?.();
  });
});
