import { readFileSync } from 'node:fs';
import {
  startRedis,
  startRedisCluster,
  type Monitor,
  type MonitoredCommand,
  type RedisCluster,
  type RedisServer,
} from '@hubline/testing/cluster';
import { describe, expect, it, onTestFinished } from 'vitest';
import { AllOperations } from './fixtures/all-operations.ts';

const textOf = (name: string): string => readFileSync(new URL(`../../../../docs/${name}`, import.meta.url), 'utf8');
const [BY_US = '', BY_IOREDIS = ''] = textOf('reference/redis-commands.md').split('\n## ').slice(1);
const SCALING = textOf('scaling.md');
const TIMEOUT_MS = 90_000;

interface Row {
  readonly command: string;
  readonly where: readonly string[];
  readonly since: string;
}

function rowsOf(section: string): readonly Row[] {
  return [...section.matchAll(/^\| `([A-Z ]+)` \| [^|]+ \| ([a-z, ]+) \| ([\d.]+)[^|]* \|/gm)].map(
    ([, command = '', where = '', since = '']) => ({ command, where: where.split(', '), since }),
  );
}

describe('the documented commands, keys and channels', () => {
  it('the documented commands, keys and channels are those that nodes use on a single Redis', { timeout: TIMEOUT_MS }, async () => {
    await using redis = await startRedis();
    const commands = await seenBy([redis], async () => {
      await using operations = await AllOperations.start({ servers: [redis], isCluster: false, backplane: { db: 1 } });
      await operations.run();
    });
    expectListed('one', commands);
    expectNamed(commands);
  });

  it('the documented commands, keys and channels are those that nodes use on a Redis Cluster', { timeout: TIMEOUT_MS }, async () => {
    await using cluster = await startRedisCluster({ replicas: 0 });
    const commands = await seenInCluster(cluster);
    expectListed('sharded', commands);
    expectNamed(commands);
  });

  it('the documented commands are those that nodes use on a Redis Cluster without sharded pub/sub', { timeout: TIMEOUT_MS }, async () => {
    await using cluster = await startRedisCluster({ replicas: 0, args: ['--rename-command', 'SPUBLISH', ''] });
    expectListed('classic', await seenInCluster(cluster));
  });

  it('scaling.md and PROTOCOL.md document the same keys', () => {
    const keysIn = (text: string) => [...text.matchAll(/^\| (`<prefix>:[^|]+\| [a-z ]+)/gm)].map(([, key]) => key);
    expect(keysIn(SCALING)).not.toEqual([]);
    const protocol = readFileSync(new URL('../../../../PROTOCOL.md', import.meta.url), 'utf8').replaceAll('string, `PX NX`', 'string');
    expect(keysIn(protocol.replaceAll('string, `PX`', 'string').replaceAll('set, scores 0', 'set'))).toEqual(
      keysIn(SCALING.split('| channel |')[0] ?? ''),
    );
  });

  it('the documented Redis versions of commands are those that Redis reports', async () => {
    await using redis = await startRedis();
    for (const { command, since } of [...rowsOf(BY_US), ...rowsOf(BY_IOREDIS)]) {
      const [, facts = []] = (await redis.call('COMMAND', 'DOCS', command.replace(' ', '|'))) as [string, readonly unknown[]];
      expect([command, facts[facts.indexOf('since') + 1]]).toEqual([command, since]);
    }
  });
});

function expectListed(mode: string, sent: readonly MonitoredCommand[]): void {
  const listed = [...rowsOf(BY_US), ...rowsOf(BY_IOREDIS)].filter(({ where }) => where.includes(mode));
  expect([...new Set(sent.map(fullName))].sort()).toEqual(listed.map(({ command }) => command).sort());
}

/** The patterns of the placeholders in documented names. */
const PARTS: Readonly<Record<string, string>> = {
  prefix: 'test-[0-9a-f-]+',
  process: '[\\w-]{11}',
  incarnation: '[\\w-]{11}\\.\\d+',
  topic: '[^:{} ]+:[!-z~]+',
  connection: '[\\w-]{22}',
  tag: '\\d+',
  pass: '[12]',
};

/** Expects that every name is in the table, and that every entry of the table is used. */
function expectNamed(sent: readonly MonitoredCommand[]): void {
  const [keys = '', channels = ''] = SCALING.split('| channel |');
  const patternsIn = (text: string) => [...text.matchAll(/^\| `(<prefix>:[^`]+)`/gm)].map(([, name = '']) => name);
  for (const [patterns, names] of [
    [patternsIn(keys), sent.flatMap(keysOf)],
    [patternsIn(channels), sent.flatMap(channelsOf)],
  ] as const) {
    const tests = patterns.map(
      (name) =>
        [name, new RegExp(`^${name.replaceAll(/[{}]/g, '\\$&').replaceAll(/<(\w+)>/g, (_, part: string) => PARTS[part] ?? '')}$`)] as const,
    );
    const kinds = new Set(names.map((name) => tests.find(([, test]) => test.test(name))?.[0] ?? name));
    expect([...kinds].sort()).toEqual([...patterns].sort());
  }
}

const KEYLESS = new Set(['ASKING', 'CLUSTER', 'COMMAND', 'HELLO', 'INFO', 'PING', 'SELECT']);
const CHANNELS = /^(S?PUBLISH|S?(UN)?SUBSCRIBE|PUBSUB)$/;

function keysOf({ name, args }: MonitoredCommand): readonly string[] {
  return KEYLESS.has(name) || CHANNELS.test(name) ? [] : args.slice(0, 1);
}

function channelsOf({ name, args }: MonitoredCommand): readonly string[] {
  if (!CHANNELS.test(name)) return [];
  if (name === 'PUBSUB') return args.slice(1);
  return name.endsWith('PUBLISH') ? args.slice(0, 1) : args;
}

/** A command with its subcommand, as the documents write it. */
function fullName({ name, args: [first = ''] }: MonitoredCommand): string {
  return ['CLUSTER', 'COMMAND', 'PUBSUB', 'CLIENT', 'SENTINEL'].includes(name) ? `${name} ${first.toUpperCase()}` : name;
}

type Seen = () => readonly MonitoredCommand[];

async function seenBy(servers: readonly RedisServer[], scenario: (seen: Seen) => Promise<void>): Promise<readonly MonitoredCommand[]> {
  const monitors: Monitor[] = [];
  onTestFinished(() => monitors.forEach((monitor) => monitor[Symbol.dispose]()));
  for (const server of servers) monitors.push(await server.monitor());
  const seen: Seen = () => monitors.flatMap(({ commands }) => commands);
  await scenario(seen);
  return seen();
}

/** Runs all operations. The slot of the last group migrates to another master while the group is joined. */
function seenInCluster(cluster: RedisCluster): Promise<readonly MonitoredCommand[]> {
  return seenBy(cluster.nodes, async (seen) => {
    await using operations = await AllOperations.start({ servers: cluster.nodes, isCluster: true });
    await operations.run(async (topic) => {
      const slot = Number(await cluster.nodes[0]?.call('CLUSTER', 'KEYSLOT', topic));
      const from = await cluster.masterOf(slot);
      const to = (await cluster.masters()).find((master) => master !== from);
      if (!to) throw new Error('Three masters.');
      const [fromId, toId] = await Promise.all([from, to].map(async (node) => String(await node.call('CLUSTER', 'MYID'))));
      await to.call('CLUSTER', 'SETSLOT', slot, 'IMPORTING', fromId ?? '');
      await from.call('CLUSTER', 'SETSLOT', slot, 'MIGRATING', toId ?? '');
      return async () => {
        await expect.poll(() => seen().some(({ name }) => name === 'ASKING')).toBe(true);
        await cluster.moveSlot(slot, to);
      };
    });
  });
}
