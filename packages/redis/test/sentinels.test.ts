import { freePort } from '@hubline/testing';
import { LocalDouble } from '@hubline/testing/conformance';
import { expect, it, vi } from 'vitest';
import { redisBackplane } from '../src/index.ts';

const node = { nodeId: 'ann', process: 'ann', app: 'test', accepts: true, startedAt: 0 };

async function unreachable(startWithoutRedis: boolean) {
  const observer = { down: vi.fn(), up: vi.fn(), gap: vi.fn(), stale: vi.fn(), joined: vi.fn(), lost: vi.fn(), report: vi.fn() };
  const nodes = [{ host: '127.0.0.1', port: await freePort() }];
  const backplane = redisBackplane({ sentinels: { name: 'main', nodes }, redisTimeoutMs: 200, startWithoutRedis });
  const link = backplane.open(node, new LocalDouble(), observer);
  return { backplane, link, observer, [Symbol.asyncDispose]: () => link.close() };
}

it('unreachable sentinels are an outage, and a node that may start without Redis starts', async () => {
  await using to = await unreachable(true);
  await to.link.ready();
  expect(to.link.state).toBe('down');
  expect(to.observer.down).toHaveBeenCalledTimes(1);
});

it('unreachable sentinels are an outage, and a node that must not start without Redis rejects', async () => {
  await using to = await unreachable(false);
  await expect(to.link.ready()).rejects.toMatchObject({ code: 'backplane_unavailable' });
});

it('a backplane forgets a link that was closed before it registered, and ready() waits for open links', async () => {
  await using to = await unreachable(false);
  const waiting = to.backplane.ready();
  await to.link.close();
  await expect(waiting).rejects.toMatchObject({ code: 'backplane_unavailable' });
  await to.backplane.ready();
  expect(to.backplane.state).toBe('closed');
});
