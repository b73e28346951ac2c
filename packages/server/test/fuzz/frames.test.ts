import { afterAll, beforeAll, expect, it } from 'vitest';
import { campaign } from './campaign.ts';
import type { Random } from './random.ts';
import { encodeFrame, Opcode, WireSocket } from './wire.ts';
import { openWorld, type FuzzWorld } from './world.ts';

let world: FuzzWorld;
beforeAll(async () => void (world = await openWorld()));
afterAll(() => world.close());

interface FrameCase {
  readonly bytes: Uint8Array;
  /** The close code of RFC 6455, 7.4.1. Undefined: any code, since the bytes are no frame. */
  readonly code: number | undefined;
}

const SHAKE = encodeFrame(Opcode.text, Buffer.from('{"protocol":"json","version":1}\u001e'));
const PING = Buffer.from('{"type":6}\u001e');
const { continuation, text, binary, close, ping, pong } = Opcode;

/** Each row breaks one rule of RFC 6455, section 5. */
const BROKEN: readonly ((random: Random) => FrameCase)[] = [
  (random) => ({ bytes: encodeFrame(text, PING, { reserved: 1 + random.below(7) }), code: 1002 }),
  (random) => ({ bytes: encodeFrame(random.pick([3, 4, 5, 6, 7, 11, 12, 13, 14, 15]), PING), code: 1002 }),
  (random) => ({ bytes: encodeFrame(random.pick([text, binary, ping]), PING, { isMasked: false }), code: 1002 }),
  (random) => ({ bytes: encodeFrame(random.pick([ping, pong, close]), random.bytes(126 + random.below(300))), code: 1002 }),
  (random) => ({ bytes: encodeFrame(random.pick([ping, pong, close]), PING, { isFinal: false }), code: 1002 }),
  () => ({ bytes: encodeFrame(continuation, PING), code: 1002 }),
  (random) => ({ bytes: Buffer.concat([encodeFrame(text, PING, { isFinal: false }), encodeFrame(random.pick([text, binary]), PING)]), code: 1002 }), // prettier-ignore
  (random) => ({ bytes: encodeFrame(text, Buffer.concat([PING, Buffer.from(random.pick(INVALID_UTF8))])), code: 1007 }),
  () => ({ bytes: encodeFrame(binary, PING, { length: 2 ** 53 }), code: 1009 }),
  () => ({ bytes: encodeFrame(close, Buffer.of(3)), code: 1002 }),
  (random) => ({
    bytes: encodeFrame(close, closeCode(random.pick([0, 999, 1004, 1005, 1006, 1015, 1999, 2999, 5000, 65_535]))),
    code: 1002,
  }),
  (random) => ({ bytes: encodeFrame(close, Buffer.concat([closeCode(1000), Buffer.from(random.pick(INVALID_UTF8))])), code: 1007 }),
  (random) => ({ bytes: random.bytes(1 + random.below(60)), code: undefined }),
];
const INVALID_UTF8 = [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82]];

function closeCode(code: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeUInt16BE(code);
  return bytes;
}

/** Valid frames, any number of which precede the broken one. */
const ALLOWED: readonly ((random: Random) => Uint8Array)[] = [
  () => encodeFrame(text, PING),
  (random) => encodeFrame(ping, random.bytes(random.below(126))),
  (random) => encodeFrame(pong, random.bytes(random.below(126))),
  () => Buffer.concat([encodeFrame(text, PING.subarray(0, 3), { isFinal: false }), encodeFrame(ping, PING), encodeFrame(continuation, PING.subarray(3))]), // prettier-ignore
  () => encodeFrame(text, Buffer.alloc(0)),
  (random) => encodeFrame(text, Buffer.from(PING.toString().repeat(1 + random.below(10_000)))), // a message may hold any number
];

it('sockets that break RFC 6455 are closed with its code', { timeout: 3_600_000 }, async () => {
  const { cases, random, attempt } = campaign('frames', 40);
  let warmHeap = 0;
  for (let i = 0; i < cases; i++) {
    const numbers = random(i);
    const allowed = Array.from({ length: numbers.below(4) }, () => numbers.pick(ALLOWED)(numbers));
    const { bytes, code } = numbers.pick(BROKEN)(numbers);
    const wire = Buffer.concat([...allowed, bytes]);
    await attempt(i, wire.toString('latin1'), async () => {
      await using socket = new WireSocket(world.port, SHAKE);
      await socket.until(() => socket.frames.length > 0);
      expect(socket.frames[0]?.payload.toString()).toBe('{}\u001e');
      socket.write(wire);
      if (code === undefined) socket.end(); // the bytes may be the start of a frame
      await socket.until(() => false);
      expect(socket.status).toBe(101);
      if (code !== undefined) expect(socket.closeCode).toBe(code);
      else if (socket.closeCode !== undefined) expect([1000, 1002, 1005, 1007, 1009]).toContain(socket.closeCode);
      for (const { opcode } of socket.frames.slice(1)) expect([text, pong, close]).toContain(opcode);
    });
    if (i % 20 === 0) await world.serves();
    if (i === Math.floor(cases / 4)) warmHeap = await world.settled();
  }
  expect((await world.settled()) - warmHeap).toBeLessThan(3 * 1024 * 1024);
});
