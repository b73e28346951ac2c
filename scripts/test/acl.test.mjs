import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';

const textOf = (path) => readFileSync(new URL(`../../docs/${path}`, import.meta.url), 'utf8');

it('the user of docs/operate/redis.md may run the commands of docs/reference/redis-commands.md, and no other', () => {
  const [line] = /^ACL SETUSER .*$/m.exec(textOf('operate/redis.md'));
  const allowed = [...line.matchAll(/ \+(\S+)/g)].map(([, name]) => name.replace('|', ' ').toUpperCase());
  const listed = [...textOf('reference/redis-commands.md').matchAll(/^\| `([A-Z ]+)` \|/gm)].map(([, name]) => name);
  expect(listed.length).toBeGreaterThan(30);
  expect(allowed.toSorted()).toEqual(listed.toSorted());
});
