import type { Outcome } from '@hubline/server';
import { until } from '@hubline/testing';
import { describe, expect, it, vi } from 'vitest';
import { decodeEnvelope, encodeEnvelope, ENVELOPE_VERSION, EnvelopeKind } from '../../src/backplane/envelope.ts';
import { NodeMessenger, read, type Bus } from '../../src/backplane/index.ts';
import { ManualClock } from './manual-clock.ts';
import { threeNodes, type Node } from './three-nodes.ts';

const codesAt = ({ errors }: Node): readonly string[] => errors.map(({ stage, error }) => `${stage}: ${(error as { code?: string }).code}`);
const lines = (outcomes: readonly Outcome<string>[]): readonly string[] =>
  outcomes
    .map((outcome) => `${outcome.connectionId}: ${outcome.status === 'fulfilled' ? outcome.value : `${outcome.code}: ${outcome.message}`}`)
    .sort();

describe('reports of unreadable messages', () => {
  it('reports of unreadable messages are limited to one for each kind of fault, for any number of versions and kinds', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    for (let byte = 0; byte < 256; byte++) {
      for (const [version, kind] of [
        [ENVELOPE_VERSION, byte],
        [byte, EnvelopeKind.request],
        [byte, byte],
      ] as const)
        await world.tap.publish('a', 'room:all', Uint8Array.from([version, kind, 255, 255, 255, 255]));
    }
    const far = await world.client(b);
    a.hub.clients.all.send.said('hi');
    await until(() => far.said.length === 1);
    const known = Object.keys(EnvelopeKind).length;
    expect(codesAt(b).filter((code) => code === 'deliver: unsupported_version')).toHaveLength(1);
    expect(codesAt(b).filter((code) => code === 'deliver: invalid_message')).toHaveLength(known + 1); // one for all unknown kinds
    expect(codesAt(b)).toHaveLength(known + 2);
  });

  it('reports of unreadable messages are repeated at most once a minute', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock });
    const { world, a, b } = nodes;
    const far = await world.client(b);
    for (const [i, ms] of [0, 59_999, 1, 1].entries()) {
      clock.advance(ms);
      await world.tap.publish('a', 'room:all', Uint8Array.from([ENVELOPE_VERSION, EnvelopeKind.deliver]));
      a.hub.clients.all.send.said('hi');
      await until(() => far.said.length === i + 1);
      expect(b.errors).toHaveLength(i < 2 ? 1 : 2);
    }
  });
});

it('a node reports the errors of a message handler at most once a minute', () => {
  let deliver: (payload: Uint8Array, from: string) => void = () => undefined;
  const bus: Bus = {
    publish: () => Promise.resolve(),
    subscribe: (_channel, receive) => {
      deliver = receive;
      return { ready: Promise.resolve(), close: () => undefined };
    },
  };
  let now = 0;
  const report = vi.fn();
  const messenger = new NodeMessenger({ bus, self: 'b', elapsed: () => now, report });
  messenger.on(EnvelopeKind.request, read.object, () => {
    throw new TypeError('not expected');
  });
  const receive = (): void => deliver(encodeEnvelope({ kind: EnvelopeKind.request, header: {} }), 'a');
  for (let times = 0; times < 1000; times++) receive();
  expect(report).toHaveBeenCalledExactlyOnceWith('deliver', new TypeError('not expected'));
  now = 60_000;
  receive();
  expect(report).toHaveBeenCalledTimes(2);
});

describe('a presence change with a version that is no whole number', () => {
  it.each([1e308, -1, 0.5])(
    'a presence change with a version that is no whole number is dropped and hides no later change: version %d',
    async (version) => {
      await using nodes = await threeNodes();
      const { world, a, b } = nodes;
      const far = await world.client(a, { role: 'old' });
      const watch = b.hub.presence.watch()[Symbol.asyncIterator]();
      await watch.next();
      const record = { connectionId: far.id, hub: 'room', attributes: { role: 'forged' }, groups: [], connectedAt: 1 };
      const header = { topic: 'room:all', version, present: [record], gone: [] };
      await world.tap.publish('a', 'watch=room:all', encodeEnvelope({ kind: EnvelopeKind.presence, header }));
      await a.hub.attributes.set(far.id, 'role', 'new');
      expect((await watch.next()).value).toMatchObject({ type: 'update', connection: { attributes: { role: 'new' } } });
      expect(codesAt(b)).toEqual(['deliver: invalid_message']);
      await watch.return?.();
    },
  );
});

describe('invalid replies of a node to an invokeAll', () => {
  type Header = Readonly<Record<string, unknown>> & {
    readonly value?: { readonly roster?: readonly string[]; readonly settled?: unknown };
  };
  /** Calls all clients of `b`, whose replies are altered. */
  async function asked(alter: (header: Header) => readonly object[]) {
    const nodes = await threeNodes({ timeouts: { callMs: 60_000 } });
    const { world, a, b } = nodes;
    const [one, two] = [await world.client(b, { answer: () => 'one' }), await world.client(b, { answer: () => 'two' })];
    const process = (await a.server.nodes()).items.find(({ nodeId }) => nodeId === 'a')?.process;
    world.tap.alter = (nodeId, payload) => {
      const { kind, header, body } = decodeEnvelope(payload);
      if (nodeId !== 'b' || kind !== EnvelopeKind.reply) return payload;
      const [first, ...others] = alter(header as Header).map((each) => encodeEnvelope({ kind, header: each, body }));
      for (const other of others) queueMicrotask(() => void publish(other));
      return first ?? payload;
    };
    const publish = (payload: Uint8Array): Promise<void> => {
      const { alter: before } = world.tap;
      world.tap.alter = (_nodeId, each) => each;
      const sent = world.tap.publish('b', `node=${process}`, payload);
      world.tap.alter = before;
      return sent;
    };
    const { items } = await a.hub.clients.all.invokeAll.confirm('?');
    return { items, one, two, a, [Symbol.asyncDispose]: () => nodes[Symbol.asyncDispose]() };
  }

  it('invalid replies of a node to an invokeAll leave no client without an outcome: a client that is missing from the reply gets node_silent', async () => {
    await using world = await asked((header) => [header.value?.settled ? { ...header, value: { settled: [] }, last: true } : header]);
    const text = `node_silent: Node 'b' sent no result of this client.`;
    expect(lines(world.items)).toEqual([`${world.one.id}: ${text}`, `${world.two.id}: ${text}`].sort());
  });

  it('invalid replies of a node to an invokeAll give no client two outcomes: a second list of clients and a second result are ignored', async () => {
    await using world = await asked((header) => {
      const { settled } = header.value ?? {};
      if (!Array.isArray(settled)) return [header];
      const roster = (settled as { readonly id: string }[]).map(({ id }) => id);
      const early = { ...header, last: false };
      return [early, { ...early, value: { roster, settled } }, { ...early, value: { settled } }, { ...header, value: { settled } }];
    });
    expect(lines(world.items)).toEqual([`${world.one.id}: one`, `${world.two.id}: two`].sort());
  });

  it.each([
    ['no object', 5],
    ['a list of clients that is none', { roster: 'all' }],
    ['an answer without an id', { settled: [{ code: 'client_error', message: 'x' }] }],
    ['a code that is none', { settled: [{ id: 'x', code: 'unauthorized', message: 'x' }] }],
    ['lengths that are none', { settled: [{ id: 'x', written: ['json', -1] }] }],
  ])('invalid replies of a node to an invokeAll give the clients of that node the outcome node_silent: %s', async (_what, value) => {
    await using world = await asked((header) => [header.value?.settled ? { ...header, value } : header]);
    expect(world.items.map((outcome) => outcome.status === 'rejected' && outcome.code)).toEqual(['node_silent', 'node_silent']);
  });
});
