import type { LinkObserver, NodeInfo } from '@hubline/server/backplane';
import { faultyBackplane } from '@hubline/testing';
import { LocalDouble } from '@hubline/testing/conformance';
import { describe, expect, it, vi } from 'vitest';

const SILENT: LinkObserver = { down() {}, up() {}, gap() {}, stale() {}, joined() {}, lost() {}, report() {} };
const info = (nodeId: string, process = nodeId): NodeInfo => ({ nodeId, process, app: 'test', accepts: true, startedAt: 0 });
const bytes = (text: string) => new TextEncoder().encode(text);

/** Starts nodes with these names on one backplane. */
async function cluster(...names: string[]) {
  const backplane = faultyBackplane();
  const nodes = names.map((name) => ({ local: new LocalDouble(), observer: { ...SILENT, up: vi.fn(), gap: vi.fn() }, info: info(name) }));
  const links = nodes.map(({ info, local, observer }) => backplane.open(info, local, observer));
  await Promise.all(links.map((link) => link.ready()));
  const [ann, bob] = links;
  if (!ann || !bob) throw new Error('A cluster has two nodes at least.');
  return { backplane, faults: backplane.faults, ann, bob, nodes };
}

describe('the faults of the faulty backplane', () => {
  it('freeze holds the messages of a node, and thaw delivers them in order', async () => {
    const { faults, ann, bob } = await cluster('ann', 'bob');
    const received: string[] = [];
    await bob.bus.subscribe('t', (payload) => received.push(new TextDecoder().decode(payload))).ready;
    faults.freeze('ann');
    let isPerformed = false;
    const held = ['1', '2', '3'].map((text) => ann.bus.publish('t', bytes(text)).then(() => (isPerformed = true)));
    const query = ann.directory.nodes().then(() => (isPerformed = true));
    await bob.bus.publish('t', bytes('of bob'));
    await bob.directory.changed({ topics: [], connections: [] });
    expect([isPerformed, received]).toEqual([false, []]);
    faults.thaw('ann');
    const after = ann.bus.publish('t', bytes('4'));
    await Promise.all([...held, query, after]);
    await vi.waitFor(() => expect(received).toEqual(['1', '2', '3', '4']));
  });

  it('thaw delivers messages from before and after the end of the lease in order', async () => {
    const { faults, ann, bob } = await cluster('ann', 'bob');
    const received: string[] = [];
    await bob.bus.subscribe('t', (payload) => received.push(new TextDecoder().decode(payload))).ready;
    faults.freeze('bob');
    await ann.bus.publish('t', bytes('1'));
    faults.expire('bob');
    await ann.bus.publish('t', bytes('2'));
    expect(received).toEqual([]);
    faults.thaw('bob');
    await vi.waitFor(() => expect(received).toEqual(['1', '2']));
  });

  it('heal reports a gap with the number of messages that a cut node missed', async () => {
    const { faults, ann, bob, nodes } = await cluster('ann', 'bob');
    await bob.bus.subscribe('t', () => undefined).ready;
    faults.cut('bob');
    await Promise.all(['1', '2'].map((text) => ann.bus.publish('t', bytes(text))));
    await ann.bus.publish('not subscribed', bytes('3'));
    faults.heal('bob');
    const observer = nodes[1]?.observer;
    await vi.waitFor(() => expect(observer?.up).toHaveBeenCalledWith({ ms: expect.any(Number) as number }));
    expect(observer?.gap.mock.calls).toEqual([[{ lost: 2, ms: expect.any(Number) as number }]]);
  });

  it('cut starts a node of that name with its link down', async () => {
    const { backplane, faults, ann } = await cluster('ann', 'bob');
    faults.cut('cat');
    const down = vi.fn();
    const cat = backplane.open(info('cat'), new LocalDouble(), { ...SILENT, down });
    expect(cat.state).toBe('down');
    await vi.waitFor(() => expect(down).toHaveBeenCalledOnce());
    expect((await ann.directory.nodes()).value).toHaveLength(2);
    faults.heal('cat');
    await cat.ready();
    expect(cat.state).toBe('up');
    expect((await ann.directory.nodes()).value).toHaveLength(3);
  });

  it('cut and heal of a frozen node take effect when it thaws', async () => {
    const { faults, ann } = await cluster('ann', 'bob');
    faults.freeze('ann');
    faults.cut('ann');
    expect(ann.state).toBe('up');
    faults.thaw('ann');
    expect(ann.state).toBe('down');
    faults.freeze('ann');
    faults.heal('ann');
    expect(ann.state).toBe('down');
    faults.thaw('ann');
    expect(ann.state).toBe('up');
  });

  it('a fault affects all processes of a nodeId, or one process by its id', async () => {
    const { backplane, faults, ann } = await cluster('ann', 'bob');
    const twin = backplane.open(info('bob', 'twin'), new LocalDouble(), SILENT);
    await twin.ready();
    const processes = async () => (await ann.directory.nodes()).value.map(({ process }) => process);
    faults.expire('twin');
    expect(await processes()).toEqual(['ann', 'bob']);
    faults.expire('bob');
    expect(await processes()).toEqual(['ann']);
    faults.thaw('bob');
    expect((await processes()).sort()).toEqual(['ann', 'bob', 'twin']);
  });

  it('a fault rejects the name of an unknown process', async () => {
    const { faults } = await cluster('ann', 'bob');
    for (const fault of [faults.freeze, faults.expire, faults.thaw]) {
      expect(() => fault('nobody')).toThrow(expect.objectContaining({ code: 'invalid_option' }));
    }
  });

  it('a second link of one process is rejected until the first one is closed', async () => {
    const { backplane, ann } = await cluster('ann', 'bob');
    const open = () => backplane.open(info('ann'), new LocalDouble(), SILENT);
    expect(open).toThrow(expect.objectContaining({ code: 'invalid_option' }));
    await ann.close();
    const again = open();
    await again.ready();
    expect(again.state).toBe('up');
  });

  it('queries of other nodes show the written record, not later local changes', async () => {
    const { ann, bob, nodes } = await cluster('ann', 'bob');
    const attributes = { role: 'a' };
    const local = nodes[0]?.local;
    const change = local?.connect('a1', { attributes }) ?? { topics: [], connections: [] };
    await ann.directory.changed(change);
    attributes.role = 'b';
    const { value } = await bob.directory.records([{ process: 'ann', connectionId: 'a1' }]);
    expect(value.get('a1')?.attributes).toEqual({ role: 'a' });
  });

  it('a join into a large topic does not read all its members', async () => {
    const { ann, bob, nodes } = await cluster('ann', 'bob');
    const local = nodes[0]?.local;
    if (!local) throw new Error('no node');
    const ids = Array.from({ length: 20_000 }, (_, i) => `a${i}`);
    await Promise.all(ids.map((id) => ann.directory.changed(local.join(id, 't'))));
    const keys = vi.spyOn(Map.prototype, 'keys');
    await ann.directory.changed(local.join('late', 't'));
    await ann.directory.changed(local.leave('a7', 't'));
    expect(keys.mock.contexts).not.toContain(local.members('t'));
    keys.mockRestore();
    expect((await bob.directory.counts(['t'])).value.get('t')).toEqual(new Map([['ann', 20_000]]));
    expect((await bob.directory.members('t', { limit: 3 })).value.map(({ connectionId }) => connectionId)).toEqual(['a0', 'a1', 'a10']);
  });
});
