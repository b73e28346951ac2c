import { describe, expect, it } from 'vitest';
import { ClockOffsets } from '../src/invocation/clock-offsets.ts';

/** Reads requests of a sender whose clock is ahead by `skew`. */
function reader(skew: number) {
  let now = 50_000;
  const offsets = new ClockOffsets(() => now);
  return {
    pass: (ms: number) => (now += ms),
    /** Returns the time left for a request that took `delayMs` on its way. */
    read: (delayMs: number, leftMs: number) => offsets.leftMs('p', { sentAt: now - delayMs + skew, leftMs }),
    /** Returns a request to its sender, and reads it again after the round trip. */
    again(roundTripMs: number, leftMs: number): number | undefined {
      const returnedAt = now;
      now += roundTripMs;
      return offsets.leftMs('p', { sentAt: now - roundTripMs / 2 + skew, leftMs, returnedAt });
    },
    forget: () => offsets.forget('p'),
  };
}

describe.each([0, 7_000_000, -7_000_000])('ClockOffsets, for a sender whose clock differs by %i ms', (skew) => {
  it('ClockOffsets returns the first request, and accepts it when it is sent again', () => {
    const { read, again } = reader(skew);
    expect(read(1, 1000)).toBeUndefined();
    expect(again(4, 1000)).toBe(1000);
    expect(read(2, 1000)).toBe(1000);
  });

  it('ClockOffsets subtracts the time on the way from the time left', () => {
    const { read, again, pass } = reader(skew);
    again(0, 1000);
    pass(60_000);
    expect(read(100, 1000)).toBe(900);
    expect(read(0, 1000)).toBe(1000);
    expect(read(100, 100)).toBeUndefined();
    expect(read(99, 100)).toBe(1);
  });

  it('ClockOffsets returns a request that took much longer than others', () => {
    const { read, again } = reader(skew);
    again(0, 1000);
    for (const delayMs of [250, 2000, 13_000]) expect(read(delayMs, 30_000)).toBeUndefined();
    expect(read(249, 30_000)).toBe(29_751);
  });

  it('ClockOffsets forgets a sender after ten minutes, and a lost one at once', () => {
    const { read, again, pass, forget } = reader(skew);
    again(2, 1000);
    pass(600_000);
    expect(read(1, 1000)).toBe(1000);
    pass(1);
    expect(read(1, 1000)).toBeUndefined();
    again(2, 1000);
    forget();
    expect(read(1, 1000)).toBeUndefined();
  });

  it('ClockOffsets returns a request again if its round trip took longer than the time left', () => {
    const { again } = reader(skew);
    expect(again(1000, 1000)).toBeUndefined();
    expect(again(999, 1000)).toBe(1000);
  });

  it('ClockOffsets measures against the fastest request, also after a slow first one', () => {
    const { read, again } = reader(skew);
    again(800, 1000); // it took 400 ms on its way
    expect(read(300, 30_000)).toBe(30_000);
    expect(read(500, 30_000)).toBe(29_800);
    expect(read(551, 30_000)).toBeUndefined();
  });

  it('ClockOffsets returns a request that may be late, also after a slow first one', () => {
    const { read, again } = reader(skew);
    again(800, 1000); // it took at most 800 ms on its way
    for (const delayMs of [300, 400, 600]) expect(read(delayMs, delayMs)).toBeUndefined();
    expect(read(300, 700)).toBeUndefined(); // it may have taken 700 ms on its way
    expect(read(300, 701)).toBe(701);
    again(10, 1000);
    expect(read(300, 311)).toBeUndefined();
    expect(read(100, 311)).toBe(216);
  });
});
