import { describe, expect, it } from 'vitest';
import type { Filter, Target } from '@hubline/server';
import { until } from '@hubline/testing';
import type { RawClient } from './raw-client.ts';
import { threeNodes, type Attributes, type Node, type ThreeNodes, type TargetParts } from './three-nodes.ts';

/** Six clients, two on each node, so that each has a local and a remote client. */
interface SixClients extends ThreeNodes {
  readonly nodes: readonly Node[];
  readonly ann: RawClient;
  readonly bob: RawClient;
  readonly cat: RawClient;
  readonly dan: RawClient;
  readonly eve: RawClient;
  readonly fay: RawClient;
}
const NAMES = ['ann', 'bob', 'cat', 'dan', 'eve', 'fay'] as const;

async function sixClients(): Promise<SixClients & AsyncDisposable> {
  const nodes = await threeNodes();
  const { world, a, b, c } = nodes;
  const [ann, bob, cat, dan, eve, fay] = await Promise.all([
    world.client(a, { user: 'ann', role: 'admin', level: 1 }),
    world.client(a, { user: 'bob', role: 'connection', level: '1' }),
    world.client(b, { user: 'ann', role: 'admin', level: '1' }),
    world.client(b, { user: 'dan', role: 'connection', level: true }),
    world.client(c, { user: 'eve', role: 'admin', level: 'true' }),
    world.client(c, { role: 'connection', level: 1 }),
  ]);
  const groups: readonly (readonly [RawClient, readonly string[]])[] = [
    [ann, ['red', 'blue']],
    [bob, ['red']],
    [cat, ['red', 'blue']],
    [dan, ['blue']],
    [eve, ['red']],
  ];
  await Promise.all(groups.flatMap(([client, names]) => names.map((name) => client.call('join', name))));
  return { ...nodes, nodes: [a, b, c], ann, bob, cat, dan, eve, fay };
}

/** Returns the clients that received each text. A second copy shows as a second name. */
async function receiversOf(people: SixClients, sends: readonly ((text: string) => unknown)[]): Promise<readonly string[]> {
  for (const [i, say] of sends.entries()) await say(String(i));
  // Messages of a sender arrive in order, so after `end` nothing else arrives.
  for (const { hub } of people.nodes) hub.clients.all.send.said('end');
  await until(() => NAMES.every((name) => people[name].said.filter((text) => text === 'end').length === people.nodes.length));
  const said = NAMES.map((name) => [name, people[name].said.splice(0)] as const);
  return sends.map((_, i) => said.flatMap(([name, texts]) => texts.filter((text) => text === String(i)).map(() => name)).join(' '));
}

type Clients = Node['hub']['clients'];

describe('a target', () => {
  const cases: readonly (readonly [name: string, (clients: Clients, people: SixClients) => Target<TargetParts>, received: string])[] = [
    ['all', ({ all }) => all, 'ann bob cat dan eve fay'],
    ['a group', ({ group }) => group('red'), 'ann bob cat eve'],
    ['a group without members', ({ group }) => group('Red'), ''],
    ['a user', ({ user }) => user('ann'), 'ann cat'],
    ['a connection', ({ connection }, { dan }) => connection(dan.id), 'dan'],
    ['a connection that never was', ({ connection }) => connection('nobody'), ''],
    ['one attribute', ({ where }) => where({ role: 'admin' }), 'ann cat eve'],
    ['several attributes', ({ where }) => where({ role: 'admin', level: '1' }), 'cat'],
    ['a number', ({ where }) => where({ level: 1 }), 'ann fay'],
    ['a text of digits', ({ where }) => where({ level: '1' }), 'bob cat'],
    ['a boolean', ({ where }) => where({ level: true }), 'dan'],
    ['allOf', ({ allOf, group }) => allOf(group('red'), group('blue')), 'ann cat'],
    ['allOf with a connection', ({ allOf, group, connection }, { eve }) => allOf(group('red'), connection(eve.id)), 'eve'],
    ['anyOf, overlapping', ({ anyOf, group, user }) => anyOf(group('red'), group('blue'), user('ann')), 'ann bob cat dan eve'],
    [
      'anyOf, nested',
      ({ anyOf, allOf, group, where, user }) => anyOf(allOf(group('red'), where({ role: 'connection' })), anyOf(user('eve'), user('dan'))),
      'bob dan eve',
    ],
    [
      'anyOf of connections',
      ({ anyOf, connection }, { ann, cat, fay }) => anyOf(connection(ann.id), connection(cat.id), connection(fay.id)),
      'ann cat fay',
    ],
    ['anyOf within allOf', ({ anyOf, allOf, group, where }) => allOf(where({ level: 1 }), anyOf(group('red'), group('blue'))), 'ann'],
    [
      'anyOf of more than 64 topics',
      ({ anyOf, group }) => anyOf(group('red'), group('blue'), ...Array.from({ length: 70 }, (_, i) => group(`room-${i}`))),
      'ann bob cat dan eve',
    ],
    ['all but some', ({ all }, { ann, fay }) => all.except(ann.id, fay.id), 'bob cat dan eve'],
    ['all but some, in two steps', ({ all }, { ann, fay }) => all.except(ann.id).except(fay.id), 'bob cat dan eve'],
    ['a group but some', ({ group }, { ann }) => group('red').except(ann.id), 'bob cat eve'],
    ['a user but some', ({ user }, { cat }) => user('ann').except(cat.id), 'ann'],
    ['an attribute but some', ({ where }, { cat, ann }) => where({ role: 'admin' }).except(cat.id, ann.id), 'eve'],
    ['several attributes but some', ({ where }, { cat }) => where({ role: 'admin', level: '1' }).except(cat.id), ''],
    ['a connection but itself', ({ connection }, { dan }) => connection(dan.id).except(dan.id), ''],
    ['allOf but some', ({ allOf, group }, { ann }) => allOf(group('red'), group('blue')).except(ann.id), 'cat'],
    ['anyOf but some', ({ anyOf, group }, { ann, dan }) => anyOf(group('red'), group('blue')).except(ann.id, dan.id), 'bob cat eve'],
    [
      'anyOf with a part but some: who is in another part is meant',
      ({ anyOf, group }, { ann, eve }) => anyOf(group('red').except(ann.id, eve.id), group('blue')),
      'ann bob cat dan',
    ],
    ['allOf with a part but some', ({ allOf, group, all }, { ann }) => allOf(all.except(ann.id), group('red')), 'bob cat eve'],
  ];

  it('a target reaches exactly the connections that it names, once each, from any node', async () => {
    await using people = await sixClients();
    const { world, a, b, c } = people;
    const sender = await world.start('sender', { accept: false });
    const bare = await world.start('bare', { bare: true });
    const expected = cases.map(([name, , received]) => `${name}: ${received}`);
    for (const { hub, nodeId } of [a, b, c, sender, bare]) {
      const received = await receiversOf(
        { ...people, nodes: [a, b, c, sender, bare] },
        cases.map(
          ([, target]) =>
            (text) =>
              target(hub.clients, people).send.said(text),
        ),
      );
      expect(
        received.map((names, i) => `${cases[i]?.[0]}: ${names}`),
        `from ${nodeId}`,
      ).toEqual(expected);
    }
    expect([a, b, c, sender, bare].flatMap(({ errors, losses }) => [...errors, ...losses])).toEqual([]);
  });

  it('a target is encoded once for other nodes, for any number of channels', async () => {
    await using all = await sixClients();
    const { world, a, eve, cat } = all;
    const payloads: Uint8Array[] = [];
    world.tap.alter = (_nodeId, payload) => {
      payloads.push(payload);
      return payload;
    };
    const { group, connection, anyOf } = a.hub.clients;
    anyOf(group('red'), group('blue'), connection(eve.id), connection(cat.id)).send.said('hi');
    await until(() => [eve, cat].every(({ said }) => said.includes('hi')));
    expect(payloads).toHaveLength(4);
    expect(new Set(payloads).size).toBe(1);
  });

  it('a target reaches the same connections when it is used inside a method', async () => {
    await using people = await sixClients();
    const { ann, dan, cat } = people;
    const filters: readonly (readonly [whom: Filter<Attributes> | string | { readonly othersInGroup: string }, received: string])[] = [
      ['caller', 'ann'],
      ['others', 'bob cat dan eve fay'],
      [{ othersInGroup: 'red' }, 'bob cat eve'],
      [{ othersInGroup: 'nobody' }, ''],
      [{ all: true }, 'ann bob cat dan eve fay'],
      [{ group: 'blue' }, 'ann cat dan'],
      [{ user: 'ann' }, 'ann cat'],
      [{ connection: dan.id }, 'dan'],
      [{ where: { role: 'admin', level: '1' } }, 'cat'],
      [{ allOf: [{ group: 'red' }, { group: 'blue' }], except: [cat.id] }, 'ann'],
      [{ anyOf: [{ user: 'dan' }, { user: 'eve' }, { group: 'blue' }] }, 'ann cat dan eve'],
    ];
    const received = await receiversOf(
      people,
      filters.map(
        ([whom]) =>
          (text) =>
            ann.call('tell', whom, text),
      ),
    );
    expect(received.map((names, i) => `${JSON.stringify(filters[i]?.[0])}: ${names}`)).toEqual(
      filters.map(([whom, names]) => `${JSON.stringify(whom)}: ${names}`),
    );
    expect(await receiversOf(people, [(text) => dan.call('tell', { othersInGroup: 'red' }, text)]), 'from outside').toEqual([
      'ann bob cat eve',
    ]);
  });

  it('a target that can name no connection is refused', async () => {
    await using nodes = await threeNodes();
    const { hub } = nodes.a;
    const code = (code: string) => expect.objectContaining({ code }) as Error;
    expect(() => hub.clients.where({})).toThrow(code('empty_target'));
    expect(() => hub.clients.matching({ anyOf: [] })).toThrow(code('empty_target'));
    expect(() => hub.clients.matching({ allOf: [] })).toThrow(code('empty_target'));
    expect(() => hub.clients.matching({ allOf: [{ group: 'g' }, { anyOf: [] }] })).toThrow(code('empty_target'));
    // @ts-expect-error at least one target
    expect(() => hub.clients.anyOf()).toThrow(code('empty_target'));
    // @ts-expect-error at least one target
    expect(() => hub.clients.allOf()).toThrow(code('empty_target'));
    expect(() => hub.clients.where({ note: 'x' })).toThrow(code('attribute_not_indexed'));
    expect(() => hub.presence.watch({ where: { note: 'x' } })).toThrow(code('attribute_not_indexed'));
  });

  it('a target with two selectors or an invalid name is refused', async () => {
    await using nodes = await threeNodes();
    const { clients, disconnect } = nodes.a.hub;
    const invalid = expect.objectContaining({ code: 'invalid_option' }) as Error;
    const filters = [{ all: true, user: 'ann' }, { group: 'red', user: 'ann' }, { except: ['x'] }, {}, { group: undefined }, { user: 7 }];
    for (const filter of [...filters, { connection: null }] as unknown as Filter<Attributes>[]) {
      expect(() => clients.matching(filter)).toThrow(invalid);
      await expect(disconnect({ anyOf: [filter] })).rejects.toThrow(invalid);
    }
    expect(() => clients.user(undefined as unknown as string)).toThrow(invalid);
  });

  it('a target with a value that no attribute can have is refused, also inside another filter', async () => {
    await using nodes = await threeNodes();
    const { clients, presence, disconnect } = nodes.a.hub;
    for (const level of [undefined, NaN, Infinity, null, {}, 1n, () => 1]) {
      const invalid = expect.objectContaining({ code: 'invalid_option', details: { option: 'level' } }) as Error;
      for (const where of [{ level }, { role: 'admin', level }] as { level: number }[]) {
        for (const filter of [{ where }, { anyOf: [{ where }] }, { allOf: [{ all: true }, { where }] }] as const) {
          for (const ask of [clients.matching, presence.connections, presence.watch, presence.watchUsers]) {
            expect(() => ask(filter)).toThrow(invalid);
          }
          for (const ask of [presence.count, disconnect]) await expect(ask(filter)).rejects.toThrow(invalid);
        }
        expect(() => clients.where(where)).toThrow(invalid);
      }
    }
  });
});
