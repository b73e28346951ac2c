import { until } from '@hubline/testing';
import { startCluster, startRedis } from '@hubline/testing/cluster';
import { messagePack } from '@hubline/client/messagepack';
import { expect, it } from 'vitest';
import { HubClients, type HubClient } from './fixtures/hub-client.ts';

const LONG_WAIT = { timeoutMs: 20_000 };
const NODE = new URL('./fixtures/sender-node.ts', import.meta.url);

/** Names with a special meaning in keys, channels, hash tags or URLs. */
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

it(
  'a message to a group or user of any name reaches its members on another node, and no connection of another hub',
  { timeout: 60_000 },
  async ({ onTestFailed }) => {
    await using redis = await startRedis({ onTestFailed });
    // Two applications, of which one prefix begins with the other.
    const hubs = { 'one:two': {}, one: {} };
    await using cluster = await startCluster({ nodes: 2, entry: NODE, redis, args: ['--hubs', JSON.stringify(hubs)], onTestFailed });
    await using hubClients = new HubClients();
    const [here, there] = cluster.nodes;
    if (!here || !there) throw new Error('Two nodes.');
    const members: HubClient[] = [];
    for (const name of NAMES) members.push(await hubClients.connect(there.url, 'one', { user: name, groups: [name] }));
    const others: HubClient[] = [];
    for (const name of NAMES) others.push(await hubClients.connect(there.url, 'one:two', { user: name, groups: [name] }));
    const sender = await hubClients.connect(here.url, 'one');
    await until(async () => (await sender.invoke.count({ all: true })).value === NAMES.length + 1, LONG_WAIT);

    for (const [i, name] of NAMES.entries()) {
      await sender.invoke.sendMessage({ group: name }, `to group ${i}`);
      await sender.invoke.sendMessage({ user: name }, `to user ${i}`);
      expect(await sender.invoke.count({ group: name }), name).toEqual({ value: 1, complete: true, missingNodes: [] });
      expect(await sender.invoke.count({ user: name }), name).toEqual({ value: 1, complete: true, missingNodes: [] });
    }
    await sender.invoke.sendMessage({ all: true }, 'the end');
    await until(() => members.every(({ messages }) => messages.includes('the end')), LONG_WAIT);
    expect(members.map(({ messages }) => messages)).toEqual(NAMES.map((_, i) => [`to group ${i}`, `to user ${i}`, 'the end']));

    // The other application received nothing and counts only its own connections. All keys begin with the prefix of their application.
    expect(others.flatMap(({ messages }) => messages)).toEqual([]);
    expect(await others[0]?.invoke.count({ all: true })).toEqual({ value: NAMES.length, complete: true, missingNodes: [] });
    const keys = await redis.keys();
    expect(keys.filter((key) => !/^one(:two)?:\{[^\s{}]+\}(:[^\s{}]+)?$/.test(key))).toEqual([]);
    const channels = (await redis.call('PUBSUB', 'CHANNELS')) as readonly string[];
    expect(channels.filter((channel) => !/^one(:two)?:\{[^\s{}]+\}(:hears:[^\s{}]+)?$/.test(channel))).toEqual([]);
    for (const prefix of ['one:{', 'one:two:{']) {
      const own = channels.filter((channel) => channel.startsWith(prefix) && channel.includes(':group:'));
      expect(new Set(own).size, prefix).toBe(NAMES.length);
    }
  },
);

it(
  'JSON and MessagePack clients of another node receive messages of a megabyte unchanged, and MessagePack clients also bytes',
  { timeout: 60_000 },
  async ({ onTestFailed }) => {
    await using redis = await startRedis({ onTestFailed });
    await using cluster = await startCluster({ nodes: 2, entry: NODE, redis, onTestFailed });
    await using hubClients = new HubClients();
    const [here, there] = cluster.nodes;
    if (!here || !there) throw new Error('Two nodes.');
    const binary = (): ReturnType<typeof messagePack> => messagePack();
    const near = await hubClients.connect(here.url, 'senderHub', { side: 'binary', protocol: binary() });
    const far = await hubClients.connect(there.url, 'senderHub', { side: 'binary', protocol: binary() });
    const text = await hubClients.connect(there.url, 'senderHub', { side: 'text' });
    await until(async () => (await near.invoke.count({ all: true })).value === 3, LONG_WAIT);

    const megabyte = 'ü€'.repeat(220_000); // 1.1 MB
    await near.invoke.sendMessage({ all: true }, megabyte);
    const bytes = Uint8Array.from({ length: 1024 * 1024 }, (_, i) => i ^ (i >> 8));
    await near.invoke.sendMessage({ where: { side: 'binary' } }, bytes);
    await near.invoke.sendMessage({ all: true }, { some: [1, 'text', null, true] });
    await until(() => [near, far].every(({ messages }) => messages.length === 3) && text.messages.length === 2, LONG_WAIT);
    for (const { messages } of [near, far]) {
      expect(messages[0] === megabyte).toBe(true);
      expect(messages[1]).toBeInstanceOf(Uint8Array);
      expect(Buffer.compare(messages[1] as Uint8Array, bytes)).toBe(0);
      expect(messages[2]).toEqual({ some: [1, 'text', null, true] });
    }
    expect(text.messages[0] === megabyte).toBe(true);
    expect(text.messages[1]).toEqual({ some: [1, 'text', null, true] });
    for (const client of [near, far])
      expect((await client.invoke.events()).filter(({ name }) => name === 'gap' || name === 'down')).toEqual([]);
  },
);
