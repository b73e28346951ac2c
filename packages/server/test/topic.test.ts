import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { allTopic, attributeTopic, encodeName, groupTopic, nameIn, nodeChannel, topicPrefix, userTopic } from '../src/backplane/index.ts';
import { watchChannel } from '../src/presence/topic-changes.ts';

/** Any well-formed string, often with characters that topics, keys and patterns use. */
const name = fc.oneof(fc.string({ unit: 'grapheme' }), fc.string({ unit: fc.constantFrom(...':%={}" a\u{1f600}\n') }));
const value = fc.oneof(name, fc.double({ noNaN: true, noDefaultInfinity: true }), fc.boolean());

describe('a topic', () => {
  it('a topic is readable for plain names', () => {
    expect(allTopic('chat')).toBe('chat:all');
    expect(groupTopic('chat', 'lobby-1.a_B')).toBe('chat:group:lobby-1.a_B');
    expect(userTopic('chat', 'alice')).toBe('chat:user:alice');
    expect(attributeTopic('chat', 'role', 'admin')).toBe('chat:attribute:role=%22admin%22');
  });

  it('a topic has only ASCII characters without space, brace and control characters, for any names', () => {
    fc.assert(
      fc.property(name, name, value, (hub, inner, attribute) => {
        const topics = [allTopic(hub), groupTopic(hub, inner), userTopic(hub, inner), attributeTopic(hub, inner, attribute)];
        for (const topic of topics) expect(topic).toMatch(/^[!-z|~]+$/);
      }),
    );
  });

  it('a topic differs from every channel of a node or of watchers, for any name of a hub', () => {
    const hub = fc.oneof(name, fc.constantFrom('node', 'watch', 'nodes', 'group'));
    const made = fc.oneof(
      hub.map(allTopic),
      fc.tuple(hub, name).map(([one, inner]) => groupTopic(one, inner)),
    );
    fc.assert(
      fc.property(made, made, fc.constantFrom('all', 'p1'), (topic, watched, process) => {
        expect([nodeChannel(process), watchChannel(watched), 'nodes']).not.toContain(topic);
        expect(topic.startsWith(nodeChannel(''))).toBe(false);
      }),
      {
        examples: [
          ['node:all', 'chat:all', 'all'],
          ['watch:group:all', 'group:all', 'p1'],
        ],
      },
    );
  });

  it('a topic differs for each hub, kind and name', () => {
    const makers = [
      (hub: string) => ['all', hub, allTopic(hub)],
      (hub: string, inner: string) => ['group', hub, inner, groupTopic(hub, inner)],
      (hub: string, inner: string) => ['user', hub, inner, userTopic(hub, inner)],
      (hub: string, inner: string, attribute: unknown) => [
        ...['attribute', hub, inner, JSON.stringify(attribute)],
        attributeTopic(hub, inner, attribute),
      ],
    ];
    const made = fc.tuple(fc.constantFrom(...makers), name, name, value).map(([make, ...names]) => make(...names));
    fc.assert(
      fc.property(made, made, (a, b) => {
        expect(a.at(-1) === b.at(-1)).toBe(JSON.stringify(a.slice(0, -1)) === JSON.stringify(b.slice(0, -1)));
      }),
    );
  });

  it('a topic keeps the case of names', () => {
    expect(new Set(['lobby', 'Lobby', 'LOBBY'].map((group) => groupTopic('chat', group))).size).toBe(3);
  });

  it('a topic keeps the type of an attribute', () => {
    const topics = [1, '1', true, 'true'].map((attribute) => attributeTopic('chat', 'level', attribute));
    expect(new Set(topics).size).toBe(4);
  });

  it('a topic begins with the prefix of its kind, and nameIn returns the name behind it', () => {
    fc.assert(
      fc.property(name, name, (hub, inner) => {
        const prefix = topicPrefix(hub, 'group');
        const topic = groupTopic(hub, inner);
        expect(topic.startsWith(prefix)).toBe(true);
        expect(nameIn(topic, prefix)).toBe(inner);
        expect(userTopic(hub, inner).startsWith(prefix)).toBe(false);
      }),
    );
  });

  it('a topic does not begin with the prefix of another hub', () => {
    fc.assert(
      fc.property(name, name, name, (hub, other, inner) => {
        expect(groupTopic(hub, inner).startsWith(topicPrefix(other, 'group'))).toBe(hub === other);
      }),
    );
  });

  it('a topic of half a surrogate pair, which has no encoding, is refused', () => {
    for (const broken of ['\ud800', 'a\udc00', '\udc00\ud800']) {
      expect(() => encodeName(broken)).toThrow(expect.objectContaining({ code: 'invalid_option', details: { option: 'name' } }));
      expect(() => groupTopic('chat', broken)).toThrow(expect.objectContaining({ code: 'invalid_option' }));
    }
  });
});
