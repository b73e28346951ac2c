import { defineHub } from '@hubline/protocol';
import { createHubServer, type HubLimits } from '@hubline/server';
import { expect, it } from 'vitest';
import { RawClient } from './raw-client.ts';

interface Calls {
  size(text: string): Promise<number>;
}
const small = defineHub<Calls>('small');
const large = defineHub<Calls>('large');
const methods = { size: async (_ctx: unknown, text: string) => text.length };

it('a hub has its own limits, and those of the server for all others', async () => {
  await using server = createHubServer({ limits: { maxMessageBytes: 1000, maxGroups: 2 } });
  const hub = server.hub(small, { path: '/small', methods });
  const own = server.hub(large, { path: '/large', limits: { maxMessageBytes: 100_000, maxGroups: undefined }, methods });
  const port = await server.listen(0, '127.0.0.1');
  await using bounded = await RawClient.open(port, { path: '/small' });
  await using free = await RawClient.open(port, { path: '/large' });
  expect((await free.call('size', 'x'.repeat(5000))).result).toBe(5000);
  const { connectionId } = (await own.presence.connections()).items[0]!;
  for (const group of ['a', 'b']) await own.groups.add(connectionId, group);
  await expect(own.groups.add(connectionId, 'c')).rejects.toMatchObject({ code: 'limit_exceeded', details: { max: 2 } });
  bounded.send({ type: 1, invocationId: '1', target: 'size', arguments: ['x'.repeat(5000)] });
  await bounded.closed;
  expect(bounded.messages).toMatchObject([{ type: 7, code: 'message_too_large' }]);
  expect((await hub.presence.count()).value).toBe(0);
});

it.each([{ maxMessageBytes: 0 }, { maxGroups: '5' }, { maxConnections: 5 }, { maxFrameBytes: 5 }, { maxGrops: 5 }])(
  'a hub refuses invalid limits: %j',
  (limits) => {
    const server = createHubServer();
    expect(() => server.hub(small, { path: '/small', limits: limits as HubLimits, methods })).toThrow(
      expect.objectContaining({ code: 'invalid_option' }),
    );
  },
);
