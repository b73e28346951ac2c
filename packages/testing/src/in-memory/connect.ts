import { createHubConnection, type Contract, type HubConnection, type HubConnectionOptions } from '@hubline/client';
import type { HubServer } from '@hubline/server';
import { InMemoryLink, type InMemoryLinkOptions } from './link.ts';

export interface InMemoryConnectionOptions<H, R>
  extends InMemoryLinkOptions, Omit<HubConnectionOptions<H, R>, 'transports' | 'fetch' | 'WebSocket'> {
  /** Added to the URL of the hub: `{ room: 'lobby' }`. */
  readonly query?: Readonly<Record<string, string>> | undefined;
}

export type InMemoryConnection<H, R> = HubConnection<H, R> & { readonly link: InMemoryLink };

/**
 * Connects a client to a hub of a server in the same process, without sockets. Client and server are the real ones, and so is their
 * protocol. Resolves when the client is connected.
 * @throws the error of `start`; RangeError if the server accepts no clients for the hub
 */
export async function connectInMemory<H, R, A>(
  server: Pick<HubServer, 'inMemory'>,
  contract: Contract<H, R, A>,
  options: InMemoryConnectionOptions<NoInfer<H>, NoInfer<R>> = {},
): Promise<InMemoryConnection<H, R>> {
  const { user, attributes, behaviours, query = {}, ...others } = options;
  const link = new InMemoryLink(server, { user, attributes, behaviours });
  const url = new URL(server.inMemory.pathOf(contract.name), 'http://in-memory');
  url.search = new URLSearchParams(query).toString();
  const connection = createHubConnection<H, R, A>(contract, url, { ...link.options, ...others });
  await connection.start();
  return Object.assign(connection, { link });
}
