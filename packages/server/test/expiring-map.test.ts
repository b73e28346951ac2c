import { describe, expect, it } from 'vitest';
import { ExpiringMap } from '../src/membership/index.ts';

function recent(options: { keepMs?: number; maxBytes?: number } = {}) {
  let now = 0;
  const map = new ExpiringMap<number>({ elapsed: () => now, ...options });
  return { map, pass: (ms: number) => (now += ms) };
}

describe('an ExpiringMap', () => {
  it('an ExpiringMap keeps an entry for at least keepMs and at most twice as long, for any number of entries', () => {
    const { map, pass } = recent({ keepMs: 1000 });
    map.set('first', 1);
    for (let i = 0; i < 50_000; i++) map.set(`more ${i}`, i);
    pass(999);
    map.set('later', 2);
    expect([map.get('first'), map.get('more 0'), map.get('later')]).toEqual([1, 0, 2]);
    expect(map.hasExpired).toBe(false);
    pass(1);
    map.set('young', 3);
    expect([map.get('first'), map.get('later')]).toEqual([1, 2]);
    pass(1000);
    map.set('younger', 4);
    expect([map.get('first'), map.get('later'), map.get('young'), map.get('younger')]).toEqual([undefined, undefined, 3, 4]);
    expect(map.hasExpired).toBe(true);
  });

  it('an ExpiringMap forgets all entries after a pause of twice keepMs', () => {
    const { map, pass } = recent({ keepMs: 1000 });
    map.set('first', 1);
    pass(2000);
    map.set('second', 2);
    expect([map.get('first'), map.get('second'), map.size]).toEqual([undefined, 2, 1]);
    expect(map.hasExpired).toBe(true);
  });

  it('an ExpiringMap holds at most maxBytes, and forgets the oldest entries first', () => {
    const { map } = recent({ maxBytes: 100_000 });
    for (let i = 0; i < 100_000; i++) map.set(`${i}`.padStart(8, '0'), i);
    expect(map.size).toBeLessThanOrEqual(100_000 / 72);
    expect(map.size).toBeGreaterThan(100_000 / 72 / 3);
    expect(map.get('00099999')).toBe(99_999);
    expect(map.get('00000000')).toBeUndefined();
  });

  it('an ExpiringMap returns the latest value of a key', () => {
    const { map } = recent();
    map.set('a', 1);
    map.set('a', 2);
    expect([map.get('a'), map.size]).toEqual([2, 1]);
  });
});
