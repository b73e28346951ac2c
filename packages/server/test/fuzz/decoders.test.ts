import { isHublineError, jsonCodec, type Codec } from '@hubline/protocol';
import { messagePack } from '@hubline/protocol/messagepack';
import { expect, it } from 'vitest';
import { campaign } from './campaign.ts';
import { jsonCase, messagePackCase } from './mutate.ts';
import { Oracle } from './oracle.ts';
import type { Random } from './random.ts';

const MAX_BYTES = 32 * 1024;
/** The codecs, with a valid message as the start of each case, since the first bytes may be a byte order mark. */
const CODECS = [
  { codec: jsonCodec, makeCase: jsonCase, ping: Buffer.from('{"type":6}\u001e') },
  { codec: messagePack(), makeCase: messagePackCase, ping: Buffer.of(2, 0x91, 6) },
];

/** Decodes the bytes in random pieces. */
function decode(codec: Codec, bytes: Uint8Array, random: Random) {
  const decoder = codec.decoder({ maxMessageBytes: MAX_BYTES });
  let messages = 0;
  try {
    for (let at = 0, end = 0; at < bytes.length; at = end) {
      end = random.chance(0.5) ? bytes.length : at + 1 + random.below(bytes.length - at);
      decoder.push(bytes.subarray(at, end), () => messages++);
    }
    return { messages };
  } catch (error) {
    if (!isHublineError(error)) throw error;
    return { messages, text: error.message, code: error.code };
  }
}

it.each(CODECS)(
  'a decoder delivers valid messages and refuses invalid ones: $codec.name',
  { timeout: 600_000 },
  async ({ codec, makeCase, ping }) => {
    const { cases, random, attempt } = campaign(`decoder ${codec.name}`, 270);
    const seen = { messages: 0, ends: new Set<string>() };
    for (let i = 0; i < cases; i++) {
      const numbers = random(i);
      const bytes = Buffer.concat([ping, makeCase(numbers, `${i}`)]);
      await attempt(i, bytes.toString('latin1'), () => {
        const decoded = decode(codec, bytes, numbers);
        const { end, messages, missing } = new Oracle(codec.name as 'json', MAX_BYTES).judge(bytes);
        seen.messages += decoded.messages;
        if (end === 'goodbye') return expect(decoded.messages).toBeGreaterThanOrEqual(messages); // a decoder reads on after a Close
        expect(decoded.messages).toBe(messages);
        if (end) {
          expect(end.texts).toContain(decoded.text);
          expect(decoded.code).toBe(end.code);
          seen.ends.add(decoded.text ?? '');
        } else if (missing === 0) {
          expect(decoded.text).toBeUndefined();
        }
      });
    }
    // The cases contain valid messages and many kinds of errors.
    expect(seen.messages).toBeGreaterThan(cases);
    expect(seen.ends.size).toBeGreaterThan(5);
  },
);
