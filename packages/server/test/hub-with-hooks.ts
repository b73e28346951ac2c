import { defineHub } from '@hubline/protocol';
import { createHubServer, type CloseReason, type HubOptions, type HubServerOptions } from '@hubline/server';
import type { TestClock } from './test-clock.ts';

export interface Echo {
  echo(value: unknown): Promise<unknown>;
  wait(): Promise<void>;
}
interface Receiver {
  said(text: string): void;
  confirm(question: string): Promise<boolean>;
}
type Options = Partial<HubOptions<Echo, Receiver, Record<never, never>, Record<never, never>>>;
export const contract = defineHub<Echo, Receiver>('echo');

/** A listening server with one hub, the errors that it reported and the reasons why its connections ended. */
export async function start(options: Options = {}, serverOptions: HubServerOptions = {}, clock?: TestClock) {
  const server = createHubServer(serverOptions, clock);
  const errors: unknown[] = [];
  const ended: CloseReason[] = [];
  server.on('error', (stage, error) => errors.push([stage, error]));
  const hub = server.hub(contract, {
    path: '/hub',
    methods: {
      echo: async (_ctx, value) => value,
      wait: (ctx) => new Promise((resolve) => ctx.signal.addEventListener('abort', () => resolve())),
    },
    disconnected: (_ctx, reason) => void ended.push(reason),
    ...options,
  });
  const port = await server.listen(0, '127.0.0.1');
  return { server, hub, port, errors, ended, [Symbol.asyncDispose]: () => server.close() };
}
