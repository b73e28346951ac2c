import { createHubConnection, withSignal, type HublineError } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it } from 'vitest';

interface Calls {
  whoAmI(): Promise<string>;
}
interface Receiver {
  confirm(question: string, detail?: string): Promise<string>;
  said(text: string): void;
}
const contract = defineHub<Calls, Receiver>('questions');

async function start(count: number) {
  const server = createHubServer();
  const hub = server.hub(contract, { path: '/hub', methods: { whoAmI: async (ctx) => ctx.connectionId } });
  const url = `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}/hub`;
  const log: string[] = [];
  const connections = Array.from({ length: count }, (_, i) =>
    createHubConnection(contract, url, {
      receiver: {
        confirm: withSignal(
          (signal, question, detail) =>
            new Promise<string>((resolve) => {
              log.push(`${i} ${question} ${detail ?? 'no detail'}`);
              signal.addEventListener('abort', () => {
                log.push(`${i} ${(signal.reason as HublineError).code}`);
                resolve('late');
              });
            }),
        ),
        said: withSignal((signal, text) => void log.push(`${i} ${text} ${signal.aborted}`)),
      },
    }),
  );
  for (const connection of connections) await connection.start();
  return {
    hub,
    log,
    connections,
    async [Symbol.asyncDispose]() {
      await Promise.all(connections.map((connection) => connection.stop()));
      await server.close();
    },
  };
}

it('the signal of a receiver aborts when the call times out', async () => {
  await using world = await start(1);
  expect((await world.hub.clients.all.with({ timeoutMs: 1_000 }).invokeAll.confirm('?')).items).toMatchObject([{ code: 'call_timeout' }]);
  await expect.poll(() => world.log).toEqual(['0 ? no detail', '0 cancelled']);
});

it('the signal of a receiver aborts when the call is cancelled', async () => {
  await using world = await start(1);
  const asking = new AbortController();
  const asked = world.hub.clients.all.with({ signal: asking.signal }).invokeOne.confirm('?', 'now');
  await expect.poll(() => world.log).toEqual(['0 ? now']);
  asking.abort();
  await expect(asked).rejects.toMatchObject({ code: 'cancelled' });
  await expect.poll(() => world.log).toEqual(['0 ? now', '0 cancelled']);
});

it('invokeOne aborts the signal of one receiver before it calls the next', async () => {
  await using world = await start(2);
  await expect(world.hub.clients.all.with({ attemptMs: 1_000 }).invokeOne.confirm('?')).rejects.toMatchObject({
    code: 'no_client_responded',
  });
  await expect.poll(() => world.log).toHaveLength(4);
  expect(world.log.filter((line) => line.endsWith('cancelled'))).toHaveLength(2);
});

it('the signal of a receiver aborts when the connection ends, and receivers of events have one', async () => {
  await using world = await start(1);
  world.hub.clients.all.send.said('hello');
  await expect.poll(() => world.log).toEqual(['0 hello false']);
  void world.hub.clients.all.invokeAll.confirm('?');
  await expect.poll(() => world.log).toHaveLength(2);
  await world.connections[0]!.stop();
  await expect.poll(() => world.log.at(-1)).toBe('0 connection_lost');
});
