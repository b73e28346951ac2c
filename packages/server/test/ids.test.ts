import { expect, it } from 'vitest';
import { newConnectionId, newProcessId, newToken, processOf } from '../src/connection/index.ts';

/** More than one draw of random bytes holds. */
const MANY = 2000;

it('connection ids and tokens never repeat, and have their lengths', () => {
  const process = newProcessId();
  const ids = Array.from({ length: MANY }, () => newConnectionId(process));
  const tokens = Array.from({ length: MANY }, () => newToken());
  expect(new Set([...ids, ...tokens]).size).toBe(2 * MANY);
  expect(ids.every((id) => /^[\w-]{22}$/.test(id) && processOf(id) === process)).toBe(true);
  expect(tokens.every((token) => /^[\w-]{22}$/.test(token))).toBe(true);
});
