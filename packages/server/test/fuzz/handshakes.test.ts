import { afterAll, beforeAll, expect, it } from 'vitest';
import { campaign } from './campaign.ts';
import { overLongPolling, overServerSentEvents, overWebSockets } from './channels.ts';
import { END, handshakeCase } from './mutate.ts';
import { levelsIn, MAX_LEVELS } from './oracle.ts';
import { MAX_MESSAGE_BYTES, NODE_ID, openWorld, type FuzzWorld } from './world.ts';

let world: FuzzWorld;
beforeAll(async () => void (world = await openWorld()));
afterAll(() => world.close());

const CANCELED = { error: 'Handshake was canceled.' };
const FAILED = { error: 'An unexpected error occurred during connection handshake.' };

/** PROTOCOL.md, 3. */
function answerTo(bytes: Uint8Array, carriesBytes: boolean): object {
  const text = Buffer.from(bytes.subarray(0, bytes.indexOf(END))).toString();
  if (text.length > 4096) return CANCELED;
  let request: Record<string, unknown>;
  try {
    request = { ...(JSON.parse(text) as object) };
    if (!text.trim().startsWith('{') || levelsIn(text) > MAX_LEVELS) return FAILED;
  } catch {
    return FAILED;
  }
  const { protocol, version, hubline } = request;
  if (typeof protocol !== 'string' || !Number.isSafeInteger(version)) return FAILED;
  const name = protocol.toLowerCase(); // as ASP.NET Core finds it
  if (name !== 'json' && name !== 'messagepack') return { error: `The protocol '${protocol}' is not supported.` };
  if (version !== 1 && version !== 2) {
    return { error: `The server does not support version ${String(version)} of the '${protocol}' protocol.` };
  }
  if (name === 'messagepack' && !carriesBytes) {
    const why = "The transport does not support 'Binary' transfer format.";
    return { error: `Cannot use the '${protocol}' protocol on the current transport. ${why}` };
  }
  return typeof hubline === 'number' && hubline > 0 ?
      { hubline: 1, maxMessageBytes: MAX_MESSAGE_BYTES, connectionId: expect.any(String) as string, node: NODE_ID }
    : {};
}

it.each([
  { name: 'WebSockets', share: 60, open: overWebSockets, carriesBytes: true },
  { name: 'server-sent events', share: 5, open: overServerSentEvents, carriesBytes: false },
  { name: 'long polling', share: 5, open: overLongPolling, carriesBytes: true },
])('each handshake is answered: $name', { timeout: 3_600_000 }, async ({ name, share, open, carriesBytes }) => {
  const { cases, random, attempt } = campaign(`handshakes over ${name}`, share);
  let refused = 0;
  let warmHeap = 0;
  for (let i = 0; i < cases; i++) {
    const numbers = random(i);
    const handshake = handshakeCase(numbers);
    if (handshake[0] === 0xef && handshake[1] === 0xbb) continue; // at the start of a stream a byte order mark may be ignored
    await attempt(i, Buffer.from(handshake).toString('latin1'), async () => {
      await using channel = await open(world, { protocol: 'json', random: numbers, handshake });
      const refusal = channel.refusal(handshake);
      const expected = refusal === undefined ? answerTo(handshake, carriesBytes) : undefined;
      expect(channel.reader.handshake).toEqual(expected);
      if (expected && !('error' in expected)) return;
      refused++;
      await channel.until(() => false);
      expect(channel.isOver).toBe(true);
      expect(channel.reader.answers).toEqual([]);
      expect(channel.closeCode).toBe(refusal ?? 1000);
    });
    if (i % 20 === 0) await world.serves();
    if (i === Math.floor(cases / 4)) warmHeap = await world.settled();
  }
  expect(refused).toBeGreaterThan(cases / 3);
  expect(refused).toBeLessThan(cases);
  expect((await world.settled()) - warmHeap).toBeLessThan(3 * 1024 * 1024);
});
