import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import { ManualClock } from './manual-clock.ts';
import { UserFollower } from './watch-followers.ts';
import { threeNodes } from './three-nodes.ts';

describe('watchUsers', () => {
  it('watchUsers reports the first connection of a user at once, and the end of the last one after graceMs', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock });
    const { world, a, b, c } = nodes;
    const over = new AbortController();
    const early = await world.client(b, { user: 'early' });
    await world.client(b); // a client without a user
    const users = new UserFollower(a.hub.presence.watchUsers({ all: true }, { graceMs: 1000, signal: over.signal }));
    await until(() => users.log.length === 1);
    expect([...users.online]).toEqual(['early']);
    const all = new Set([early.id]);
    const gone = async (id: string) => {
      all.delete(id);
      await until(async () => (await a.hub.presence.count({ anyOf: [{ user: 'early' }, { user: 'late' }] })).value === all.size);
    };
    const [one, two] = [await world.client(b, { user: 'late' }), await world.client(c, { user: 'late' })];
    all.add(one.id).add(two.id);
    await until(() => users.online.has('late'));
    await one.close();
    await gone(one.id);
    clock.advance(5000); // the other connection remains
    await two.close();
    await gone(two.id);
    clock.advance(999);
    const three = await world.client(a, { user: 'late' }); // within graceMs
    all.add(three.id);
    clock.advance(5000);
    expect(users.log).toEqual(['snapshot', 'online late']);
    await three.close();
    await gone(three.id);
    await until(() => {
      clock.advance(1000);
      return !users.online.has('late');
    });
    world.faults.expire('b');
    await until(() => {
      clock.advance(1000);
      return users.online.size === 0;
    });
    expect(users.log).toEqual(['snapshot', 'online late', 'offline late', 'offline early']);
    over.abort();
    await users.ended;
  });

  it('watchUsers never reports a user as offline who reconnects within graceMs', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock });
    const { world, a, b, c } = nodes;
    const over = new AbortController();
    const watches = [a, b, c].map(
      ({ hub }) => new UserFollower(hub.presence.watchUsers({ user: 'u' }, { graceMs: 1000, signal: over.signal })),
    );
    await until(() => watches.every(({ log }) => log.length === 1));
    for (let round = 0; round < 30; round++) {
      const client = await world.client([a, b, c][round % 3]!, { user: 'u' });
      clock.advance(20);
      if (round % 2 === 0) client.drop();
      else await client.close();
      clock.advance(20);
    }
    await until(async () => (await a.hub.presence.count()).value === 0);
    await until(() => watches.every(({ log }) => log.length === 2));
    expect(watches.map(({ log }) => log)).toEqual(watches.map(() => ['snapshot', 'online u']));
    await until(() => {
      clock.advance(1000);
      return watches.every(({ online }) => online.size === 0);
    });
    expect(watches.map(({ log }) => log.slice(2))).toEqual(watches.map(() => ['offline u']));
    over.abort();
    await Promise.all(watches.map(({ ended }) => ended));
  });

  it('watchUsers with a graceMs of 0 reports changes at once', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const over = new AbortController();
    const users = new UserFollower(a.hub.presence.watchUsers({ group: 'g' }, { graceMs: 0, signal: over.signal }));
    const client = await world.client(b, { user: 'u' });
    await client.call('join', 'g');
    await until(() => users.online.has('u'));
    await client.call('leave', 'g');
    await until(() => !users.online.has('u'));
    over.abort();
    await users.ended;
  });
});
