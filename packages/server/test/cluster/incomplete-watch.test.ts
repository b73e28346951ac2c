import { until } from '@hubline/testing';
import { describe, expect, it } from 'vitest';
import type { DirectoryResult, ProcessSnapshot } from '../../src/backplane/index.ts';
import { follow } from './watch-followers.ts';
import { threeNodes, type World } from './three-nodes.ts';

describe('a watch whose snapshot lacks a node', () => {
  /** Snapshots lack the node `b` until `heal`. */
  function lacking({ tap }: World) {
    const state = { taken: 0, heal: (): void => void (tap.around = (read) => read()) };
    tap.around = async <T>(read: () => Promise<T>): Promise<T> => {
      const answer = (await read()) as DirectoryResult<readonly ProcessSnapshot[]>;
      state.taken++;
      return { ...answer, value: answer.value.filter(({ node }) => node.nodeId !== 'b'), missing: ['b'] } as T;
    };
    return state;
  }

  it('a watch whose snapshot lacks a node reports the missed changes when the node can be read again, without another event', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const [leaves, stays] = await Promise.all([world.client(b), world.client(b)]);
    using all = follow(a);
    await until(() => all.log.length > 0);
    world.faults.cut('a');
    await leaves.close();
    await until(async () => (await b.hub.presence.count()).value === 1);
    const lack = lacking(world);
    world.faults.heal('a');
    await until(() => lack.taken > 0);
    expect(all.log).toEqual(['snapshot']);
    lack.heal();
    await until(() => all.log.length > 1);
    expect(all.log).toEqual(['snapshot', `leave ${leaves.id} ended`]);
    expect(all.ids).toEqual([stays.id]);
  });

  it('a watch whose snapshot lacks a node takes further snapshots until none lacks a node, and takes none after its end', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const client = await world.client(b);
    const lack = lacking(world);
    const [ends, all] = [follow(a), follow(a)];
    await until(() => ends.log.length > 0 && all.log.length > 0);
    ends[Symbol.dispose]();
    await ends.ended;
    const { taken } = lack;
    await until(() => lack.taken > taken);
    expect(all.log).toEqual(['snapshot']);
    lack.heal();
    await until(() => all.log.length > 1);
    expect(all.log).toEqual(['snapshot', `join ${client.id}`]);
    expect(ends.log).toEqual(['snapshot']);
    all[Symbol.dispose]();
  });
});
