/** Declares the names that snippets of the documentation take from the reader's program or from an earlier snippet. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { HubConnection } from '@hubline/client';
import type { RedisServer, TcpProxy } from '@hubline/testing/cluster';
import type { Context, Hub, HubServer, Methods } from '@hubline/server';
import type { Attributes, ChatHub, ChatReceiver, Message } from './chat.js';

declare global {
  const session: { token(options: { readonly renew: boolean }): Promise<string> };
  function show(message: Message): void;
  function log(...details: unknown[]): void;
  function lines(): AsyncIterable<Message>;
  function verify(token: string | undefined): Promise<{ readonly id: string; readonly role: 'member' | 'admin' } | undefined>;
  const signal: AbortSignal;
  const connectionId: string;
  const message: Message;
  const connection: HubConnection<ChatHub, ChatReceiver>;
  const hub: Hub<ChatReceiver, Attributes>;
  const server: HubServer;
  const methods: Methods<ChatHub, Context<ChatReceiver, Attributes>, Record<never, never>>;
  function app(request: IncomingMessage, response: ServerResponse): void;
  const redis: RedisServer;
  const link: TcpProxy;
  const received: readonly unknown[];
  const seed: number;
}
