import { expect, it } from 'vitest';
import { ROWS } from '../../bench/rows.mjs';
import { SUBJECTS } from '../../bench/subjects.mjs';
import { verdict } from '../../bench/verdict.mjs';

const row = { columns: { perSecond: 'calls/s', lost: 'lost' } };
const ratio = { figure: 'perSecond', to: 'socket-io', atLeast: 1.5 };
const numbers = (...values) => values.map((perSecond) => ({ perSecond }));

it('compares the median of the ratios of the repetitions with a target', () => {
  expect(verdict(row, ratio, { hubline: numbers(10, 32, 30), 'socket-io': numbers(10, 20, 20) })).toEqual({
    is: 'met',
    text: 'calls/s ≥ 1.5 × Socket.IO: 1.50 (1.00–1.60)',
  });
  expect(verdict(row, ratio, { hubline: numbers(14), 'socket-io': numbers(10) })).toEqual({
    is: 'missed',
    text: 'calls/s ≥ 1.5 × Socket.IO: 1.40',
  });
});

it('omits repetitions in which a measurement failed', () => {
  const results = { hubline: [null, ...numbers(30, 10)], 'socket-io': [...numbers(10, 10), null] };
  expect(verdict(row, ratio, results)).toMatchObject({ is: 'met', text: 'calls/s ≥ 1.5 × Socket.IO: 3.00' });
});

it('reports a target without results as not measured', () => {
  expect(verdict(row, ratio, { hubline: numbers(10), 'socket-io': [] }).is).toBe('not measured');
  expect(verdict(row, ratio, {}).is).toBe('not measured');
});

it('decides by the worst repetition if a target says so', () => {
  const target = { figure: 'lost', atMost: 0, isWorst: true };
  expect(verdict(row, target, { hubline: [{ lost: 0 }, { lost: 0 }, { lost: 1 }] })).toEqual({ is: 'missed', text: 'lost ≤ 0: 0 (0–1)' });
});

it('gives every row of the benchmark a name of its own, known subjects, and columns for its targets', () => {
  expect(new Set(ROWS.map(({ name }) => name)).size).toBe(ROWS.length);
  for (const { name, subjects, columns, targets, base } of ROWS) {
    const compared = [...targets, ...(base ? [base] : [])];
    expect(
      subjects.filter((subject) => !SUBJECTS[subject]),
      name,
    ).toEqual([]);
    expect(
      compared.filter(({ figure }) => !columns[figure]),
      name,
    ).toEqual([]);
    expect(
      compared.filter(({ to }) => to !== undefined && !subjects.includes(to)),
      name,
    ).toEqual([]);
  }
});
