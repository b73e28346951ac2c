import { HubConnectionBuilder, LogLevel } from '@microsoft/signalr';

/** Connects with the default options and automatic reconnection. */
export async function connect(port, { received, back } = {}) {
  const connection = new HubConnectionBuilder()
    .withUrl(`http://127.0.0.1:${port}/bench`)
    .withAutomaticReconnect()
    .configureLogging(LogLevel.None)
    .build();
  if (received) connection.on('m', received);
  if (back) connection.onreconnected(back);
  await connection.start();
  return { call: (value) => connection.invoke('echo', value), ready: () => connection.send('ready') };
}
