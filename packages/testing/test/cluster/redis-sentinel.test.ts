import { startSentinel, type RedisSentinel } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';

/** Opens a client with default options. */
function clientOf({ masterName, sentinel }: RedisSentinel): AsyncDisposable & { readonly client: Redis } {
  const client = new Redis({ sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: masterName });
  client.on('error', () => undefined);
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}

it('the Sentinel promotes the replica of a killed master, which returns as a replica', async ({ onTestFailed }) => {
  await using all = await startSentinel({ onTestFailed });
  const [master, replica] = all.nodes;
  await using link = clientOf(all);
  await link.client.set('key', 'value');
  expect(await all.master()).toBe(master);
  expect(await link.client.wait(1, 5000)).toBe(1); // the replica has it
  await master?.stop();
  await all.ready();
  expect(await all.master()).toBe(replica);
  await expect.poll(() => link.client.get('key').catch(() => undefined)).toBe('value');
  await master?.start();
  await all.ready();
  expect(await all.master()).toBe(replica);
  expect(await master?.keys()).toEqual(['key']);
});

it('failover promotes the replica', async ({ onTestFailed }) => {
  await using all = await startSentinel({ onTestFailed });
  expect(await all.failover()).toBe(all.nodes[1]);
  expect(await all.master()).toBe(all.nodes[1]);
});
