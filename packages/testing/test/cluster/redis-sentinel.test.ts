import { startSentinel, type RedisSentinel } from '@hubline/testing/cluster';
import { Redis } from 'ioredis';
import { expect, it } from 'vitest';

/** A client as applications have it. */
function clientOf({ masterName, sentinel }: RedisSentinel): AsyncDisposable & { readonly client: Redis } {
  const client = new Redis({ sentinels: [{ host: '127.0.0.1', port: sentinel.port }], name: masterName });
  client.on('error', () => undefined);
  return { client, [Symbol.asyncDispose]: async () => client.disconnect() };
}

it('makes the replica the master when that is killed, and the old master its replica when that is back', async ({ onTestFailed }) => {
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

it('fails over in good order', async ({ onTestFailed }) => {
  await using all = await startSentinel({ onTestFailed });
  expect(await all.failover()).toBe(all.nodes[1]);
  expect(await all.master()).toBe(all.nodes[1]);
});
