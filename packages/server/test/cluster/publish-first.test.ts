import { createServer } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { once } from 'node:events';
import { defineHub } from '@hubline/protocol';
import { createHubServer, memoryBackplane } from '@hubline/server';
import type { Backplane } from '@hubline/server/backplane';
import { until } from '@hubline/testing';
import { expect, it } from 'vitest';
import { RawClient } from '../raw-client.ts';

interface Chat {
  say(text: string): Promise<void>;
}

interface ChatReceiver {
  said(text: string): void;
}

/** A memory backplane that calls `flush` at the time at which a backplane sends the messages of a turn. */
function flushingBackplane(flush: () => void): Backplane {
  const { open: openLink } = memoryBackplane();
  return {
    open(...args) {
      const link = openLink(...args);
      const { bus } = link;
      const publish = bus.publish.bind(bus);
      bus.publish = (...message) => {
        setImmediate(flush);
        return publish(...message);
      };
      return link;
    },
  };
}

it('a message that a method sends leaves for the backplane before this node writes it to its own clients', async () => {
  const sockets = new Set<Socket>();
  const bytesWritten = (): number => [...sockets].reduce((sum, socket) => sum + socket.bytesWritten, 0);
  const atFlush: number[] = [];
  const server = createHubServer({ backplane: flushingBackplane(() => atFlush.push(bytesWritten())) });
  server.hub(defineHub<Chat, ChatReceiver>('chat'), {
    path: '/hub',
    methods: {
      async say(ctx, text) {
        await Promise.resolve(); // the server has counted the message by then
        ctx.clients.all.send.said(text);
      },
    },
  });
  const http = createServer().on('connection', (socket) => sockets.add(socket));
  server.attach(http);
  await once(http.listen(0, '127.0.0.1'), 'listening');
  try {
    await using client = await RawClient.open((http.address() as AddressInfo).port);
    const before = bytesWritten();
    client.send({ type: 1, target: 'say', arguments: ['hello'] });
    await until(() => client.records.some(({ target }) => target === 'said'));
    expect(atFlush).toEqual([before]);
    expect(bytesWritten()).toBeGreaterThan(before);
  } finally {
    await server.close();
    http.close();
  }
});
