import { afterAll, beforeAll, expect, it } from 'vitest';
import { RawClient } from '../raw-client.ts';
import { overWebSockets } from './channels.ts';
import { converse } from './conversations.ts';
import { openWorld, type FuzzWorld } from './world.ts';

let world: FuzzWorld;
beforeAll(async () => void (world = await openWorld()));
afterAll(() => world.close());

it.each([
  { name: 'WebSockets', protocol: 'json', share: 80, open: overWebSockets },
  { name: 'WebSockets', protocol: 'messagepack', share: 80, open: overWebSockets },
] as const)('each case is answered or ends its connection with a reason: $protocol over $name', { timeout: 3_600_000 }, (given) =>
  converse(world, given),
);

it.each([70, 3000, 10_000, 16_000])('a message of %i levels ends its connection and no other', async (levels) => {
  for (const more of ['', '"\\u0041",']) {
    await using client = await RawClient.open(world.port);
    const value = '['.repeat(levels) + ']'.repeat(levels);
    client.socket.send(`{"type":1,"invocationId":"1","target":"echo","arguments":[[${more}${value}]]}\u001e`);
    const { type, error } = await client.until(() => client.messages[0]);
    expect([type, error]).toEqual([7, 'Connection closed with an error. HublineError: The message has more than 64 levels.']);
    await world.serves();
  }
});
