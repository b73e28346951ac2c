import { afterAll, beforeAll, it } from 'vitest';
import { overLongPolling, overServerSentEvents } from './channels.ts';
import { converse } from './conversations.ts';
import { openWorld, type FuzzWorld } from './world.ts';

let world: FuzzWorld;
beforeAll(async () => void (world = await openWorld()));
afterAll(() => world.close());

it.each([
  { name: 'server-sent events', protocol: 'json', share: 12, open: overServerSentEvents },
  { name: 'long polling', protocol: 'json', share: 9, open: overLongPolling },
  { name: 'long polling', protocol: 'messagepack', share: 9, open: overLongPolling },
] as const)('each case is answered or ends its connection with a reason: $protocol over $name', { timeout: 3_600_000 }, (given) =>
  converse(world, given),
);
