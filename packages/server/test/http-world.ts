import { defineHub } from '@hubline/protocol';
import { createHubServer, type CloseReason, type Hub, type HubOptions, type HubServerOptions } from '@hubline/server';
import { expect } from 'vitest';
import type { HttpClient } from './http-client.ts';
import { TestClock } from './test-clock.ts';

interface Echo {
  echo(value: unknown): Promise<unknown>;
}
interface Receiver {
  said(text: string): void;
}
type Nothing = Record<never, never>;
export type EchoHub = Hub<Receiver, Nothing>;
const echo = defineHub<Echo, Receiver>('echo');

export type WorldOptions = HubServerOptions & { readonly hub?: Partial<HubOptions<Echo, Receiver, Nothing, Nothing>> };

/** Starts a server with one echo hub and a clock that the test advances. */
export async function start({ hub: hubOptions, ...options }: WorldOptions = {}) {
  const clock = new TestClock();
  const server = createHubServer(options, clock);
  const errors: unknown[] = [];
  const ended: [connectionId: string, CloseReason['code']][] = [];
  server.on('error', (...error) => errors.push(error));
  const arrived = new Set<string | null>();
  const hub: EchoHub = server.hub(echo, {
    path: '/hub',
    methods: { echo: async (_ctx, value) => value },
    authenticate: ({ url }) => {
      arrived.add(url.searchParams.get('_'));
      return {};
    },
    disconnected: (ctx, { code }) => void ended.push([ctx.connectionId, code]),
    ...hubOptions,
  });
  const port = await server.listen(0, '127.0.0.1');
  const url = `http://127.0.0.1:${port}`;
  /** Polls, and returns when the server holds the poll. */
  const hold = async (client: HttpClient, init?: RequestInit) => {
    const answer = client.poll(init);
    let isSettled = false;
    answer.then(
      () => (isSettled = true),
      () => (isSettled = true),
    );
    await expect.poll(() => arrived.has(client.lastPoll)).toBe(true);
    return { answer, isSettled: () => isSettled };
  };
  const close = async (): Promise<void> => {
    const closed = server.close().then(() => true);
    const turn = (): Promise<boolean> => new Promise((resolve) => setImmediate(resolve, false));
    while (!(await Promise.race([closed, turn()]))) await clock.advance(1000); // closing waits for the clients
  };
  return { hold, server, hub, clock, port, origin: url, url: `${url}/hub`, errors, ended, [Symbol.asyncDispose]: close };
}
