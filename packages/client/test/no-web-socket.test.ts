import type * as Ws from 'ws';
import { afterEach, expect, it, vi } from 'vitest';
import { PlainServer } from './plain-server.ts';
import { World } from './world.ts';

vi.mock('ws', async (load) => {
  const real = await load<typeof Ws>();
  return {
    // The test server needs this one; the client looks for the other.
    WebSocketServer: real.WebSocketServer,
    get WebSocket(): never {
      throw new Error("Cannot find package 'ws'");
    },
  };
});

afterEach(() => void vi.unstubAllGlobals());

it('start without any WebSocket in Node rejects with what to install', async () => {
  vi.stubGlobal('WebSocket', undefined);
  await using world = await World.open();
  await expect(world.connection.start()).rejects.toMatchObject({
    code: 'invalid_option',
    message: expect.stringContaining(
      'This Node has no WebSocket. Install the package "ws", or pass one as the option WebSocket.',
    ) as string,
  });
  await using server = await PlainServer.start();
  await using alone = await World.open({ url: server.url, skipNegotiation: true });
  await expect(alone.connection.start()).rejects.toMatchObject({ code: 'invalid_option', details: { option: 'WebSocket' } });
  expect(server.upgraded).toEqual([]);
});

it('the WebSocket of Node is used if `ws` is missing', async () => {
  const asked: string[] = [];
  class Own extends EventTarget {
    constructor(url: string) {
      super();
      asked.push(url);
      throw new Error('enough');
    }
  }
  vi.stubGlobal('WebSocket', Own);
  await using world = await World.open();
  await expect(world.connection.start()).rejects.toThrow('enough');
  expect(asked).toEqual([expect.stringMatching(/^ws:.*id=token-0/)]);
});
