import { randomFillSync } from 'node:crypto';
import { checkName, invalidOption } from '@hubline/protocol';
import type { ProcessId } from '../backplane/index.ts';

const PROCESS_LENGTH = 11;

/** 64 random bits, base64url. */
export const newProcessId = (): ProcessId => random(8);
/** A public id. It begins with its process, so that every node can route by it; the rest is 64 random bits. */
export const newConnectionId = (process: ProcessId): string => process + random(8);
/** A secret token: 128 random bits, as SignalR's. */
export const newToken = (): string => random(16);

/** Checks a connection id from the program or a client, since its process becomes part of a channel name. @throws HublineError `invalid_option` */
export function checkConnectionId(value: unknown, option: string): string {
  const id = checkName(value, option);
  if (/^[\w-]+$/.test(id)) return id;
  throw invalidOption(option, 'is no connection id: these have letters, digits, - and _ only');
}

export const processOf = (connectionId: string): ProcessId => connectionId.slice(0, PROCESS_LENGTH);

/** Random bytes that are drawn together: drawing those of one id takes longer than the rest of it. */
const pool = Buffer.alloc(4096);
let used = pool.length;

function random(bytes: number): string {
  if (used + bytes > pool.length) {
    randomFillSync(pool);
    used = 0;
  }
  return pool.toString('base64url', used, (used += bytes));
}
