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
] as const)('answers what it is sent, or says why it ends: $protocol over $name', { timeout: 3_600_000 }, (given) =>
  converse(world, given),
);

it.each([3000, 5000, 10_000, 16_000])('lives through %i levels, which a stack may not survive', async (levels) => {
  for (const more of ['', '"\\u0041",']) {
    await using client = await RawClient.open(world.port);
    const value = '['.repeat(levels) + ']'.repeat(levels);
    client.socket.send(`{"type":1,"invocationId":"1","target":"echo","arguments":[[${more}${value}]]}\u001e`);
    const { type, error, result } = await client.until(() => client.messages[0]);
    // Read, and written, where the stack allows it.
    if (type === 7) expect(error).toBe('Connection closed with an error. HublineError: The message is not JSON.');
    else expect(error ?? result).toBeDefined();
    if (typeof error === 'string' && type === 3) expect(error).toMatch(/^An unexpected error occurred invoking 'echo' on the server\. /);
    await world.serves();
  }
});
