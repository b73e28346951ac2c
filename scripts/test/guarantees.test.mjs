import { existsSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';

const textOf = (path) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const exists = (path) => existsSync(new URL(`../../${path}`, import.meta.url));

/** Returns the titles of the tests in a file: `it('…'`, `it.each([1])('…'`, `test('…'`, `test.with(['cut'], '…'`. */
export function titlesIn(source) {
  const calls = source.matchAll(
    /\b(?:it|test|test\.with|it\.each(?:<\w+>)?\([^)]*\))\(\s*(?:\[[^\]]*\],\s*)?(['"`])((?:\\.|(?!\1)[^\\])*)\1/gs,
  );
  return new Set([...calls].map(([, , title]) => title.replaceAll(/\\(.)/gs, '$1')));
}

const section = textOf('docs/guarantees.md').split('\n## ').slice(1).join('\n## ');
const folders = new Map([...section.matchAll(/^\[(\w[\w-]*)\]: \.\.\/(\S+)$/gm)].map(([, name, path]) => [name, path]));
/** The tests that the document names: `- [name] “title”`. */
const named = [...section.matchAll(/\[([\w-]+)\] “([^”]+)”/gs)].map(([, name, title]) => ({ name, title: title.replaceAll(/\s+/g, ' ') }));

describe('docs/guarantees.md', () => {
  it('docs/guarantees.md names only existing tests', () => {
    expect(named.length).toBeGreaterThan(50);
    for (const path of folders.values()) expect([path, exists(path)]).toEqual([path, true]);
    const titles = new Map([...folders].map(([name, path]) => [name, titlesIn(textOf(path))]));
    expect(named.filter(({ name, title }) => !titles.get(name)?.has(title))).toEqual([]);
  });

  it('docs/guarantees.md names a test for every guarantee, and uses every link', () => {
    const promises = section.split(/\n(?=\*\*)/).filter((part) => part.startsWith('**'));
    expect(promises.filter((promise) => !/\] “/.test(promise)).map((promise) => promise.split('\n')[0])).toEqual([]);
    expect([...folders.keys()].filter((name) => !named.some((each) => each.name === name))).toEqual([]);
  });
});

describe('titlesIn', () => {
  it('titlesIn finds the titles of all kinds of tests', () => {
    const source = `it('a', x); it(\n  "b's",\n {}); test.with(['cut', 'heal'], 'c', x); describe('no', x); it(\`d\`); it('e\\'s', x); it.each<T>(['x'])('f', x)`;
    expect([...titlesIn(source)]).toEqual(['a', "b's", 'c', 'd', "e's", 'f']);
  });
});
