import { afterAll, beforeAll, it } from 'vitest';
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
