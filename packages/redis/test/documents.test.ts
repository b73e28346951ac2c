import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { redisBackplane } from '../src/index.ts';
import { Keys } from '../src/keys.ts';

const textOf = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

describe('the options in docs/reference/server-options.md', () => {
  const section = textOf('../../../docs/reference/server-options.md').split('\n## redisBackplane')[1]?.split('\n## ')[0] ?? '';
  const rows = [...section.matchAll(/^\| (`[^|]+) \| ([^|]*)\|/gm)].map(([, names = '', defaults = '']) => ({
    names: [...names.matchAll(/`(\w+)`/g)].map(([, name = '']) => name),
    defaults: defaults.trim(),
  }));

  it('the page lists every option', () => {
    const declared = /interface RedisBackplaneOptions \{(.*?)\n\}/s.exec(textOf('../src/options.ts'))?.[1] ?? '';
    const names = [...declared.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name]) => name);
    expect(rows.flatMap((row) => row.names)).toEqual(names);
  });

  it('the page has the default of every option', () => {
    const { options } = redisBackplane();
    const documented = rows.flatMap(({ names, defaults }) => {
      const values = [...defaults.matchAll(/`([^`]+)`/g)].map(([, value = '']) => value.replaceAll(/(\w+):/g, '"$1":'));
      return values.map((value, i) => [names[i], JSON.parse(value) as unknown] as const);
    });
    expect(documented.map(([name]) => name)).toContain('onUnavailable');
    for (const [name, value] of documented) expect([name, options[name ?? ''] ?? {}]).toEqual([name, value]);
  });
});

describe('docs/scaling.md', () => {
  it('docs/scaling.md lists every key', () => {
    const keys = new Keys('<prefix>');
    const names: Readonly<Record<keyof Keys, string>> = {
      registry: keys.registry,
      lease: keys.lease('<incarnation>'),
      whole: keys.whole('<incarnation>'),
      flushed: keys.flushed('<incarnation>'),
      topics: keys.topics('<incarnation>'),
      records: keys.records('<incarnation>'),
      watched: keys.watched,
      watches: keys.watches('<incarnation>'),
      groups: keys.groups('<incarnation>', '<connection>'),
      sweep: keys.sweep('<incarnation>', 1).replace(/1$/, '<pass>'),
      writes: keys.writes('<incarnation>', '<tag>'),
      counts: keys.counts('<topic>'),
      members: keys.members('<topic>', '<incarnation>'),
      marker: keys.marker('<process>', '<tag>'),
      channel: keys.channel('<topic>'),
      nameOf: keys.channel('nodes'),
    };
    const documented = [...textOf('../../../docs/scaling.md').matchAll(/^\| `(<prefix>:[^`]+)`/gm)].map(([, name]) => name);
    for (const name of Object.values(names)) expect(documented).toContain(name);
  });
});
