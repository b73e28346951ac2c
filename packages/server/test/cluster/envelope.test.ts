import { HublineError } from '@hubline/server';
import { until } from '@hubline/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { decodeEnvelope, encodeEnvelope, ENVELOPE_VERSION, EnvelopeKind } from '../../src/backplane/envelope.ts';
import { ManualClock } from './manual-clock.ts';
import { threeNodes, type Node } from './three-nodes.ts';

const kinds = fc.constantFrom(...Object.values(EnvelopeKind));
const headers = fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue());
/** The header after a round trip through JSON, in which -0 is 0. */
const written = (header: object): unknown => JSON.parse(JSON.stringify(header));

describe('encodeEnvelope and decodeEnvelope', () => {
  it('encodeEnvelope and decodeEnvelope round-trip every envelope', () => {
    fc.assert(
      fc.property(kinds, headers, fc.uint8Array(), (kind, header, body) => {
        const read = decodeEnvelope(encodeEnvelope({ kind, header, body }));
        expect({ ...read, body: new Uint8Array(read.body) }).toEqual({ kind, header: written(header), body });
      }),
    );
    expect(decodeEnvelope(encodeEnvelope({ kind: EnvelopeKind.request, header: {} })).body).toHaveLength(0);
  });

  it('encodeEnvelope and decodeEnvelope reject damaged bytes with a typed error', () => {
    const codes = ['invalid_message', 'unsupported_version'];
    const refused = (payload: Uint8Array): void => {
      try {
        decodeEnvelope(payload);
      } catch (error) {
        expect(codes).toContain(error instanceof HublineError ? error.code : error);
      }
    };
    fc.assert(fc.property(fc.uint8Array(), refused));
    fc.assert(fc.property(fc.uint8Array(), (bytes) => refused(Uint8Array.from([ENVELOPE_VERSION, ...bytes]))));
    fc.assert(
      fc.property(kinds, headers, fc.nat(), (kind, header, cut) => {
        const whole = encodeEnvelope({ kind, header });
        expect(() => decodeEnvelope(whole.subarray(0, cut % whole.length))).toThrow(HublineError);
      }),
    );
  });
});

describe('a node that receives invalid messages', () => {
  const common = (id: unknown) => ({
    id,
    invocationId: id,
    version: id,
    present: [{ connectionId: id }],
    gone: [id],
    value: id,
    error: { code: 'x' },
    topic: 'room:all',
    leftMs: id,
    sentAt: id,
  });
  const codesAt = ({ errors }: Node) =>
    errors.map(({ stage, error }) => `${stage}: ${error instanceof HublineError ? error.code : String(error)}`);
  const channelOf = async ({ server }: Node): Promise<string> =>
    `node=${(await server.nodes()).items.find(({ nodeId }) => nodeId === server.nodeId)?.process}`;

  it('a node that receives invalid messages reports damaged messages once for each kind, ignores them, and keeps serving calls and sends', async () => {
    await using nodes = await threeNodes();
    const { world, a, b } = nodes;
    const far = await world.client(b, { answer: () => 'yes' });
    const damaged = [
      Uint8Array.from([ENVELOPE_VERSION]),
      Uint8Array.from([ENVELOPE_VERSION, EnvelopeKind.deliver, 255, 255, 255, 255]),
      ...Object.values(EnvelopeKind).flatMap((kind) =>
        [{}, [], { id: null, hub: 1, target: null, params: 'x', op: {}, written: 1, topic: [] }].map((header) =>
          encodeEnvelope({ kind, header, body: Uint8Array.from([1, 2, 3]) }),
        ),
      ),
    ];
    const channels = [await channelOf(b), 'room:all'];
    for (let times = 0; times < 3; times++) {
      for (const payload of damaged) for (const channel of channels) await world.tap.publish('a', channel, payload);
    }
    expect(await a.hub.clients.connection(far.id).invoke.confirm('?')).toBe('yes');
    a.hub.clients.all.send.said('hi');
    await until(() => far.said.length === 1);
    // One report for the message without a kind, and one for each kind but `refused`, which has no fields.
    expect(codesAt(b)).toEqual(Array.from({ length: Object.keys(EnvelopeKind).length }, () => 'deliver: invalid_message'));
  });

  it('a node that receives invalid messages reports presence records with invalid names once, and keeps its watches', async () => {
    await using nodes = await threeNodes();
    const { world, b } = nodes;
    const watch = b.hub.presence.watch()[Symbol.asyncIterator]();
    await watch.next();
    const record = { connectionId: 'c', hub: 'room', attributes: {}, groups: [], connectedAt: 1 };
    for (let times = 0; times < 3; times++) {
      for (const odd of [{ userId: 'a\ud83d' }, { groups: ['a\ud83d'] }, { attributes: { 'a\ud83d': 1 } }]) {
        const header = { topic: 'room:all', version: 1_000_000, present: [{ ...record, ...odd }], gone: [] };
        await world.tap.publish('a', 'watch=room:all', encodeEnvelope({ kind: EnvelopeKind.presence, header }));
      }
    }
    const client = await world.client(b);
    expect((await watch.next()).value).toMatchObject({ type: 'join', connection: { connectionId: client.id } });
    expect(codesAt(b)).toEqual(['deliver: invalid_message']);
    await watch.return?.();
  });

  it('a node that receives invalid messages ignores a join command with an invalid group name', async () => {
    await using nodes = await threeNodes();
    const { world, b } = nodes;
    const client = await world.client(b);
    const channel = await channelOf(b);
    for (const group of ['', 'x'.repeat(256), 'fine']) {
      const params = { hub: 'room', do: 'join', connectionId: client.id, group };
      await world.tap.publish('a', channel, encodeEnvelope({ kind: EnvelopeKind.request, header: { id: 1, op: 'command', params } }));
    }
    await until(async () => (await b.hub.presence.groupsOf(client.id)).length > 0);
    expect(await b.hub.presence.groupsOf(client.id)).toEqual(['fine']);
  });

  it('a node that receives invalid messages ignores messages with any combination of invalid fields, and no handler throws', async () => {
    await using nodes = await threeNodes({ timeouts: { callMs: 60_000 } });
    const { world, a, b } = nodes;
    const far = await world.client(b, { answer: () => 'yes' });
    const channels = [await channelOf(b), 'room:all', 'watch=room:all'];
    const watch = b.hub.presence.watch()[Symbol.asyncIterator]();
    await watch.next();
    let nested: unknown = { topic: 'room:all' };
    for (let depth = 0; depth < 200; depth++) nested = { allOf: [nested] };
    const ids = [1, 1.5, -1, 2 ** 53, null, 'x', undefined];
    const targets = [
      { topic: 'room:all' },
      { connection: far.id },
      { anyOf: [] },
      { allOf: {} },
      nested,
      null,
      5,
      { topic: 'room:all', except: 'all' },
    ];
    const writtens = [[['json', 3]], [['json', -1]], [['json', 1e9]], [[3, 'json']], 'json', [[]], []];
    const ops = ['clients', 'command', 'constructor', '__proto__', 5];
    const headers = targets.flatMap((target) =>
      writtens.flatMap((written) =>
        ops.map((op, i) => ({
          ...common(ids[i % ids.length]),
          hub: 'room',
          target,
          written,
          op,
          params: { hub: 'room', do: op, target, written },
        })),
      ),
    );
    for (const header of headers) {
      for (const kind of Object.values(EnvelopeKind)) {
        const payload = encodeEnvelope({ kind, header, body: Buffer.from('{}') });
        for (const channel of channels) await world.tap.publish('a', channel, payload);
      }
    }
    expect(await a.hub.clients.connection(far.id).invoke.confirm('?')).toBe('yes');
    expect(new Set(codesAt(b).filter((code) => !code.endsWith(': invalid_message')))).toEqual(new Set());
    await watch.return?.();
  });

  it("a node that receives invalid messages rejects messages of an unsupported version, and the sender's calls fail with unsupported_version", async () => {
    await using nodes = await threeNodes({ timeouts: { callMs: 60_000, commandMs: 60_000 } });
    const { world, a, b } = nodes;
    const far = await world.client(b, { answer: () => 'yes' });
    let refusals = 0;
    const speak = (versions: Readonly<Record<string, number>>): void => {
      world.tap.alter = (nodeId, payload) => {
        if (payload[1] === EnvelopeKind.refused) refusals++;
        return Uint8Array.from([versions[nodeId] ?? ENVELOPE_VERSION, ...payload.subarray(1)]);
      };
    };
    const unsupported = expect.objectContaining({ code: 'unsupported_version' }) as Error;
    // First one node does not know the version of the other, then neither does.
    for (const versions of [{ a: 9 }, { a: 9, b: 8 }]) {
      speak(versions);
      refusals = 0;
      await expect(a.hub.groups.add(far.id, 'g')).rejects.toEqual(unsupported);
      await expect(a.hub.clients.connection(far.id).invoke.confirm('?')).rejects.toEqual(unsupported);
      expect((await a.hub.clients.all.invokeAll.confirm('?')).items).toMatchObject([{ connectionId: far.id, code: 'node_silent' }]);
      expect(await a.hub.disconnect({ all: true })).toEqual({ value: 0, complete: false, missingNodes: ['b', 'c'] });
      expect(refusals).toBe(5);
    }
    speak({});
    expect(await a.hub.clients.connection(far.id).invoke.confirm('?')).toBe('yes');
    expect(new Set(codesAt(b))).toEqual(new Set(['deliver: unsupported_version']));
    expect(far.asked).toHaveLength(1);
  });

  it('a node that receives invalid messages answers an unknown request with unknown_method, and ignores unknown kinds of messages', async () => {
    const clock = new ManualClock();
    await using nodes = await threeNodes({ clock, timeouts: { commandMs: 60 } });
    const { world, a, b } = nodes;
    const far = await world.client(b);
    world.tap.alter = (nodeId, payload) => {
      const { kind, header } = decodeEnvelope(payload);
      return nodeId === 'a' && kind === EnvelopeKind.request ? encodeEnvelope({ kind, header: { ...header, op: 'dance' } }) : payload;
    };
    await expect(a.hub.groups.add(far.id, 'g')).rejects.toEqual(expect.objectContaining({ code: 'unknown_method' }));
    world.tap.alter = (_nodeId, payload) => Uint8Array.from([ENVELOPE_VERSION, 77, ...payload.subarray(2)]);
    const ignored = expect(a.hub.groups.add(far.id, 'g')).rejects.toEqual(expect.objectContaining({ code: 'node_silent' }));
    world.tap.alter = (_nodeId, payload) => payload;
    expect(await a.hub.disconnect({ all: true })).toEqual({ value: 1, complete: true, missingNodes: [] }); // behind the ignored one
    clock.advance(60);
    await ignored;
    expect(b.errors).toEqual([]);
  });
});
