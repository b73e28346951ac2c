import { randomBytes } from 'node:crypto';
import type { ProcessId } from '../backplane/index.ts';

const PROCESS_LENGTH = 11;

/** 64 random bits, base64url. */
export const newProcessId = (): ProcessId => random(8);
/** Public. It begins with its process, so whoever knows it knows where to send; the rest is 64 random bits. */
export const newConnectionId = (process: ProcessId): string => process + random(8);
/** Secret: 128 random bits, as SignalR's. */
export const newToken = (): string => random(16);

export const processOf = (connectionId: string): ProcessId => connectionId.slice(0, PROCESS_LENGTH);

const random = (bytes: number): string => randomBytes(bytes).toString('base64url');
