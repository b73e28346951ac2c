import type { HubServer } from '@hubline/server';
import { RawClient, type RawOptions } from './raw-client.ts';

/** Lets a server listen and connects a client. Both are closed when the result is disposed. */
export async function listenAndConnect(server: HubServer, options?: RawOptions) {
  const errors: unknown[] = [];
  server.on('error', (stage, error) => errors.push([stage, error]));
  const port = await server.listen(0, '127.0.0.1');
  const client = await RawClient.open(port, options);
  return {
    port,
    client,
    /** The errors that the server reported. */
    errors,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]();
      await server.close();
    },
  };
}
