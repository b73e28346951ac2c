import { createHubConnection, defineHub } from '@hubline/client';

/** Connects with the default options. `received` gets the payloads of events; `back` is called after each reconnection. */
export async function connect(port, { received, back } = {}) {
  const connection = createHubConnection(defineHub('bench'), `http://127.0.0.1:${port}/bench`, {
    ...(received && { receiver: { m: received } }),
  });
  if (back) connection.on('reconnected', back);
  await connection.start();
  return { call: (value) => connection.invoke.echo(value), ready: () => connection.send.ready() };
}
