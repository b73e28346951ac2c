import { checkName, checkText } from '@hubline/protocol';
import { describe, expect, it } from 'vitest';
import { errorOf } from './error-of.ts';

const refused = (option: string) => ({ code: 'invalid_option', details: { option } });

describe('a name', () => {
  it.each(['a', 'lobby 1', 'é€😀', '{}:%', '\u0000', 'a'.repeat(255), '😀'.repeat(63), 'é'.repeat(127)])(
    'a name is accepted: %j',
    (name) => {
      expect(checkName(name, 'group')).toBe(name);
    },
  );

  const nested = Array.from({ length: 20_000 }).reduce<unknown>((inner) => [inner], []);
  it.each([
    ['an array', ['admins']],
    ['a deep array', nested],
    ['an object with toString', { toString: () => 'admins' }],
    ['a String object', Object('admins')],
    ['a number', 5],
    ['a bigint', 5n],
    ['a symbol', Symbol('admins')],
    ['a function', () => 'admins'],
    ['true', true],
    ['null', null],
    ['undefined', undefined],
    ['a revoked proxy', revoked()],
    ['an object without a prototype', Object.create(null)],
    ['empty', ''],
    ['256 bytes of ASCII', 'a'.repeat(256)],
    ['256 bytes of UTF-8', 'é'.repeat(128)],
    ['258 bytes in 86 units', '€'.repeat(86)],
    ['half of a surrogate pair', 'a\ud83d'],
    ['the other half', '\ude00a'],
  ])('a name is refused with the name of the argument: %s', (_what, name) => {
    expect(errorOf(() => checkName(name, 'group'))).toMatchObject(refused('group'));
  });
});

it('a text may be empty, and has the other limits of a name', () => {
  expect(checkText('', 'note')).toBe('');
  for (const text of ['a'.repeat(256), '\ud800', 5, null]) expect(errorOf(() => checkText(text, 'note'))).toMatchObject(refused('note'));
});

function revoked(): object {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  return proxy;
}
