import { until } from '@hubline/testing';
import { startCluster, startRedis } from '@hubline/testing/cluster';
import { messagePack } from '@hubline/client/messagepack';
import { expect, it } from 'vitest';
import { Company, type Guest } from './guest.ts';

const PATIENT = { timeoutMs: 20_000 };
const NODE = new URL('./stage-node.ts', import.meta.url);

/** Names that a key, a channel, a hash tag or a URL could take for something else. */
const NAMES = [
  'a:b',
  ':',
  'a:group:b',
  '{a}',
  '{',
  '}',
  '{}{nodes}',
  'two words',
  ' ',
  'tab\tand\nline',
  '*?[a-z]\\',
  '%41',
  'A',
  'ünïcødé ☃ 日本 👩‍👩‍👧',
  'e\u0301',
  '\u00e9',
  'UPPER lower',
  'upper lower',
  '__proto__',
  'x'.repeat(255),
  '☃'.repeat(85),
];

it('takes any name for a group or a user, and keeps them apart, over nodes and hubs', { timeout: 60_000 }, async ({ onTestFailed }) => {
  await using redis = await startRedis({ onTestFailed });
  // Prefixes like these could run into each other, and are two applications.
  const hubs = { 'one:two': {}, one: {} };
  await using cluster = await startCluster({ nodes: 2, entry: NODE, redis, args: ['--hubs', JSON.stringify(hubs)], onTestFailed });
  await using company = new Company();
  const [here, there] = cluster.nodes;
  if (!here || !there) throw new Error('Two nodes.');
  const members: Guest[] = [];
  for (const name of NAMES) members.push(await company.seat(there.url, 'one', { user: name, groups: [name] }));
  const strangers: Guest[] = [];
  for (const name of NAMES) strangers.push(await company.seat(there.url, 'one:two', { user: name, groups: [name] }));
  const speaker = await company.seat(here.url, 'one');
  await until(async () => (await speaker.invoke.count({ all: true })).value === NAMES.length + 1, PATIENT);

  for (const [i, name] of NAMES.entries()) {
    await speaker.invoke.tell({ group: name }, `to group ${i}`);
    await speaker.invoke.tell({ user: name }, `to user ${i}`);
    expect(await speaker.invoke.count({ group: name }), name).toEqual({ value: 1, complete: true, missingNodes: [] });
    expect(await speaker.invoke.count({ user: name }), name).toEqual({ value: 1, complete: true, missingNodes: [] });
  }
  await speaker.invoke.tell({ all: true }, 'the end');
  await until(() => members.every(({ told }) => told.includes('the end')), PATIENT);
  expect(members.map(({ told }) => told)).toEqual(NAMES.map((_, i) => [`to group ${i}`, `to user ${i}`, 'the end']));

  // The other application heard nothing, counts nobody of it, and the keys of each begin with its prefix.
  expect(strangers.flatMap(({ told }) => told)).toEqual([]);
  expect(await strangers[0]?.invoke.count({ all: true })).toEqual({ value: NAMES.length, complete: true, missingNodes: [] });
  const keys = await redis.keys();
  expect(keys.filter((key) => !/^one(:two)?:\{[^\s{}]+\}(:[^\s{}]+)?$/.test(key))).toEqual([]);
  const channels = (await redis.call('PUBSUB', 'CHANNELS')) as readonly string[];
  expect(channels.filter((channel) => !/^one(:two)?:\{[^\s{}]+\}(:hears:[^\s{}]+)?$/.test(channel))).toEqual([]);
  for (const prefix of ['one:{', 'one:two:{']) {
    const own = channels.filter((channel) => channel.startsWith(prefix) && channel.includes(':group:'));
    expect(new Set(own).size, prefix).toBe(NAMES.length);
  }
});

it('carries payloads of a megabyte and bytes of any kind over nodes, for both protocols', { timeout: 60_000 }, async ({ onTestFailed }) => {
  await using redis = await startRedis({ onTestFailed });
  await using cluster = await startCluster({ nodes: 2, entry: NODE, redis, onTestFailed });
  await using company = new Company();
  const [here, there] = cluster.nodes;
  if (!here || !there) throw new Error('Two nodes.');
  const binary = (): ReturnType<typeof messagePack> => messagePack();
  const near = await company.seat(here.url, 'stage', { side: 'binary', protocol: binary() });
  const far = await company.seat(there.url, 'stage', { side: 'binary', protocol: binary() });
  const text = await company.seat(there.url, 'stage', { side: 'text' });
  await until(async () => (await near.invoke.count({ all: true })).value === 3, PATIENT);

  const megabyte = 'ü€'.repeat(220_000); // 1.1 MB
  await near.invoke.tell({ all: true }, megabyte);
  const bytes = Uint8Array.from({ length: 1024 * 1024 }, (_, i) => i ^ (i >> 8));
  await near.invoke.tell({ where: { side: 'binary' } }, bytes);
  await near.invoke.tell({ all: true }, { some: [1, 'text', null, true] });
  await until(() => [near, far].every(({ told }) => told.length === 3) && text.told.length === 2, PATIENT);
  for (const { told } of [near, far]) {
    expect(told[0] === megabyte).toBe(true);
    expect(told[1]).toBeInstanceOf(Uint8Array);
    expect(Buffer.compare(told[1] as Uint8Array, bytes)).toBe(0);
    expect(told[2]).toEqual({ some: [1, 'text', null, true] });
  }
  expect(text.told[0] === megabyte).toBe(true);
  expect(text.told[1]).toEqual({ some: [1, 'text', null, true] });
  for (const guest of [near, far])
    expect((await guest.invoke.events()).filter(({ name }) => name === 'gap' || name === 'down')).toEqual([]);
});
