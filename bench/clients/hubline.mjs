import { createHubConnection, defineHub } from '@hubline/client';

export async function connect(port) {
  const connection = createHubConnection(defineHub('bench'), `http://127.0.0.1:${port}/bench`);
  await connection.start();
  return (value) => connection.invoke.echo(value);
}
