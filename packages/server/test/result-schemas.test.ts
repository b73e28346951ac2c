import { createHubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer, memoryBackplane, type HubServer, type Outcome } from '@hubline/server';
import { expect, it } from 'vitest';
import { z } from 'zod';
import { RawClient } from './raw-client.ts';

interface Calls {
  whoAmI(): Promise<string>;
}
interface Receiver {
  rate(what: string): Promise<number>;
  note(what: string): Promise<string>;
}
const contract = defineHub<Calls, Receiver>('results');

async function start(server: HubServer) {
  const hub = server.hub(contract, {
    path: '/hub',
    results: { rate: z.number().int().min(0).max(5) },
    methods: { whoAmI: async (ctx) => ctx.connectionId },
  });
  const port = await server.listen(0, '127.0.0.1');
  return { hub, port, url: `http://127.0.0.1:${port}/hub` };
}

/** A client that answers each call with this outcome. */
async function answering(port: number, outcome: object): Promise<RawClient> {
  const client = await RawClient.open(port);
  const answered = new Set<unknown>();
  client.socket.on('message', () => {
    for (const { target, invocationId } of client.messages) {
      if (target === undefined || answered.has(invocationId)) continue;
      answered.add(invocationId);
      client.send({ type: 3, invocationId, ...outcome });
    }
  });
  return client;
}

const summary = (outcomes: readonly Outcome<unknown>[]): readonly unknown[] =>
  outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : outcome.code)).sort();

it('a result that its schema refuses is the outcome of that client alone', async () => {
  const backplane = memoryBackplane();
  await using near = createHubServer({ nodeId: 'near', backplane });
  await using far = createHubServer({ nodeId: 'far', backplane });
  const here = await start(near);
  const there = await start(far);
  const clients: RawClient[] = [];
  for (const { port } of [here, there])
    for (const outcome of [{ result: 4 }, { result: 6 }, { result: '4' }, { error: 'no' }]) clients.push(await answering(port, outcome));
  const { items: outcomes } = await here.hub.clients.all.invokeAll.rate('x');
  expect(summary(outcomes)).toEqual([4, 4, 'client_error', 'client_error', ...Array.from({ length: 4 }, () => 'invalid_result')]);
  expect(outcomes.find((outcome) => outcome.status === 'rejected' && outcome.code === 'invalid_result')).toMatchObject({
    message: expect.stringMatching(/^rate: /) as string,
  });
  expect(await here.hub.clients.all.invokeOne.rate('x')).toBe(4); // clients with an invalid result are skipped
  await Promise.all(clients.map((client) => client[Symbol.asyncDispose]()));
});

it('invoke rejects with an invalid result, and results without a schema are not checked', async () => {
  await using server = createHubServer();
  const { hub, url } = await start(server);
  const connection = createHubConnection(contract, url, { receiver: { rate: async () => 9, note: async () => 'anything' } });
  await connection.start();
  const client = hub.clients.connection(await connection.invoke.whoAmI());
  await expect(client.invoke.rate('x')).rejects.toMatchObject({ code: 'invalid_result', details: { method: 'rate' } });
  expect(await client.invoke.note('x')).toBe('anything');
  await connection.stop();
});

it("an error of a result schema is reported, and the client's outcome is invalid_result", async () => {
  await using server = createHubServer();
  const errors: unknown[] = [];
  server.on('error', (stage, error) => errors.push([stage, error]));
  const hub = server.hub(contract, {
    path: '/hub',
    results: {
      rate: z.number().refine(() => {
        throw new Error('the database is away');
      }),
    },
    methods: { whoAmI: async (ctx) => ctx.connectionId },
  });
  await using _client = await answering(await server.listen(0, '127.0.0.1'), { result: 4 });
  expect((await hub.clients.all.invokeAll.rate('x')).items).toMatchObject([
    { code: 'invalid_result', message: 'rate: the result could not be checked.' },
  ]);
  expect(errors).toMatchObject([['result of rate', { message: 'the database is away' }]]);
});

it('a result nested 8,000 levels deep is client_error for that client alone', async () => {
  await using server = createHubServer({ limits: { maxMessageBytes: 1024 * 1024 } });
  const { hub, port } = await start(server);
  await using deep = await RawClient.open(port);
  await using plain = await answering(port, { result: 'fine' });
  void deep
    .until(() => deep.messages.find(({ target }) => target === 'note'))
    .then(({ invocationId }) => {
      const nested = '['.repeat(8000) + ']'.repeat(8000);
      deep.socket.send(`{"type":3,"invocationId":${JSON.stringify(invocationId)},"result":${nested}}\u001e`);
    });
  const { items: outcomes } = await hub.clients.all.invokeAll.note('x');
  expect(outcomes).toHaveLength(2);
  expect(summary(outcomes)).toEqual(['client_error', 'fine']);
  expect(plain.socket.readyState).toBe(1);
});
