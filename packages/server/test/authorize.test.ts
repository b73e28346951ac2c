import { createHubConnection } from '@hubline/client';
import { defineHub } from '@hubline/protocol';
import { createHubServer } from '@hubline/server';
import { expect, it } from 'vitest';
import { z } from 'zod';

interface Rooms {
  enter(room: string): Promise<string>;
}
const rooms = defineHub<Rooms>('rooms');

it('authorize gets the arguments that the schema returned, as the method does', async () => {
  await using server = createHubServer();
  const asked: string[] = [];
  server.hub(rooms, {
    path: '/rooms',
    args: { enter: z.tuple([z.string().trim().toLowerCase().min(1)]) },
    authorize: { enter: (_ctx, room) => asked.push(room) > 0 && room !== 'vault' },
    methods: { enter: async (_ctx, room) => room },
  });
  await using connection = createHubConnection(rooms, `http://localhost:${await server.listen(0)}/rooms`);
  await connection.start();
  expect(await connection.invoke.enter(' Lobby ')).toBe('lobby');
  await expect(connection.invoke.enter(' VAULT')).rejects.toMatchObject({ code: 'unauthorized' });
  await expect(connection.invoke.enter(' ')).rejects.toMatchObject({ code: 'invalid_arguments' });
  expect(asked).toEqual(['lobby', 'vault']);
});
