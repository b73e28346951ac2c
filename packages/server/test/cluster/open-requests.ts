import { vi } from 'vitest';
import { ClientCalls } from '../../src/connection/client-calls.ts';
import { NodeRequests } from '../../src/invocation/index.ts';

// Every one that lives is seen here, and is the real one.
const questions = vi.spyOn(NodeRequests.prototype, 'handle').mock.contexts as readonly NodeRequests[];
const calls = vi.spyOn(ClientCalls.prototype, 'open').mock.contexts as readonly ClientCalls[];
const sum = (all: readonly { readonly size: number }[]): number => [...new Set(all)].reduce((total, { size }) => total + size, 0);

/** What is still open, on any node of any world of this file: questions between nodes, and to clients. */
export const leftovers = () => ({ questions: sum(questions), clientCalls: sum(calls) });

export const NOTHING: ReturnType<typeof leftovers> = { questions: 0, clientCalls: 0 };
