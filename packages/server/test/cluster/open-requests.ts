import { vi } from 'vitest';
import { ClientCalls } from '../../src/connection/client-calls.ts';
import { NodeRequests } from '../../src/invocation/index.ts';

// The spies collect each instance, and call the real methods.
const requests = vi.spyOn(NodeRequests.prototype, 'handle').mock.contexts as readonly NodeRequests[];
const calls = vi.spyOn(ClientCalls.prototype, 'open').mock.contexts as readonly ClientCalls[];
const sum = (all: readonly { readonly size: number }[]): number => [...new Set(all)].reduce((total, { size }) => total + size, 0);

/** Counts the open requests between nodes and the open calls to clients, on all nodes of this file. */
export const openRequests = () => ({ nodeRequests: sum(requests), clientCalls: sum(calls) });

export const NONE_OPEN: ReturnType<typeof openRequests> = { nodeRequests: 0, clientCalls: 0 };
