import { groupTopic } from '@hubline/server/backplane';
import { LocalDouble } from '@hubline/testing/conformance';
import { describe, expect, it } from 'vitest';
import { DirtySet } from '../src/dirty-set.ts';
import { writingsOf } from '../src/entries.ts';
import { Keys } from '../src/keys.ts';

const keys = new Keys('p');
const INCARNATION = 'ann.1';
const NAMES = Array.from({ length: 20 }, (_, i) => `group ${i}`.padEnd(40, '-'));

describe('the groups of a connection', () => {
  /** The commands about a connection, in the order in which Redis runs them. */
  function sentFor(local: LocalDouble, change: Parameters<DirtySet['add']>[0]): readonly string[] {
    const dirty = new DirtySet();
    dirty.add(change);
    const writeSet = dirty.asWriteSet(
      () => true,
      () => new DirtySet(),
    );
    const stages = [...writingsOf(writeSet, { keys, incarnation: INCARNATION, local })].flatMap(({ before, entries, after }) => [
      ...before,
      ...entries,
      ...after,
    ]);
    const own = new Set([keys.records(INCARNATION), keys.groups(INCARNATION, 'a1')]);
    return stages.filter(([, key]) => own.has(String(key))).map(([name]) => name);
  }

  it('few groups of a connection are a part of its record, so that a join is one command', () => {
    const local = new LocalDouble();
    expect(sentFor(local, local.joinGroups('a1', ...NAMES.slice(0, 5)))).toEqual(['hset']);
    expect(sentFor(local, local.joinGroups('a1', NAMES[5]!))).toEqual(['hset']);
  });

  it('the set of groups of a connection exists before its record refers to it, and until the record includes the groups again', () => {
    const local = new LocalDouble();
    local.joinGroups('a1', ...NAMES.slice(0, 5));
    expect(sentFor(local, local.joinGroups('a1', ...NAMES))).toEqual(['hsetnx', 'sadd', 'hset']);
    const few = NAMES.slice(3).map((name) => groupTopic('chat', name));
    expect(sentFor(local, local.leave('a1', ...few))).toEqual(['hset', 'del']);
  });

  it('many groups of a connection are changed one by one, and deleted with the connection', () => {
    const local = new LocalDouble();
    local.joinGroups('a1', ...NAMES);
    expect(sentFor(local, local.joinGroups('a1', 'another'))).toEqual(['hset', 'sadd']);
    expect(sentFor(local, local.leave('a1', groupTopic('chat', 'another')))).toEqual(['hset', 'srem']);
    expect(sentFor(local, local.disconnect('a1'))).toEqual(['del', 'hdel']);
  });

  it('the whole set of groups is written if a later change has made them many', () => {
    const local = new LocalDouble();
    const [first, next] = [new DirtySet(), new DirtySet()];
    local.joinGroups('a1', NAMES[0]!);
    first.add(local.joinGroups('a1', NAMES[1]!));
    next.add(local.joinGroups('a1', ...NAMES));
    const writeSet = first.asWriteSet(
      () => true,
      () => next,
    );
    const [writing] = writingsOf(writeSet, { keys, incarnation: INCARNATION, local });
    expect(writing?.before.find(([name]) => name === 'sadd')).toHaveLength(NAMES.length + 2);
  });
});
