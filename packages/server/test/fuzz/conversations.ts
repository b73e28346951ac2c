import { expect } from 'vitest';
import { checkAnswers } from './answers.ts';
import { campaign } from './campaign.ts';
import { type Channel, type OpenChannel, type Protocol } from './channels.ts';
import { END, jsonCase, messagePackCase, prefix } from './mutate.ts';
import { Oracle, type Verdict } from './oracle.ts';
import { writeMessagePack } from './reference-messagepack.ts';
import { MAX_MESSAGE_BYTES, type FuzzWorld } from './world.ts';

export interface Conversations {
  /** The name of the transport. */
  readonly name: string;
  readonly protocol: Protocol;
  readonly open: OpenChannel;
  /** The share of all cases, in thousandths. */
  readonly share: number;
}

/** Sends each case with a call behind it, whose result shows that the connection lives; otherwise opens another connection. */
export async function converse(world: FuzzWorld, { name, protocol, share, open }: Conversations): Promise<void> {
  const { cases, random, attempt } = campaign(`${protocol} over ${name}`, share);
  const { makeCase, call } = SPEECH[protocol];
  let visit = { channel: await open(world, { protocol, random: random(-1) }), oracle: new Oracle(protocol, MAX_MESSAGE_BYTES), cases: 0 };
  const over = async (i: number): Promise<void> => {
    await visit.channel[Symbol.asyncDispose]();
    visit = { channel: await open(world, { protocol, random: random(-1 - i) }), oracle: new Oracle(protocol, MAX_MESSAGE_BYTES), cases: 0 };
  };
  const seen = { ends: 0, warmHeap: 0 };
  for (let i = 0; i < cases; i++) {
    const { channel, oracle } = visit;
    const numbers = random(i);
    const sentinel = `~${i}`;
    const { bytes, verdict } = complete(makeCase(numbers, `${i}-`), call(sentinel, i), oracle);
    await attempt(i, { bytes: bytes.toString('latin1'), verdict }, async () => {
      const before = channel.reader.answers.length;
      await channel.send(bytes, numbers);
      const isAnswered = (): boolean => channel.reader.answers.some(({ id, value }) => id === sentinel && value === i);
      await channel.until(isAnswered);
      const answers = channel.reader.answers.slice(before);
      if (isAnswered()) {
        expect(verdict.end).toBeUndefined();
        expect(channel.refusal(bytes)).toBeUndefined();
        checkAnswers(answers, oracle);
        channel.reader.answers.length = 0;
      } else {
        checkEnd(channel, verdict, bytes);
        const close = answers.findIndex(({ type }) => type === 7);
        checkAnswers(close < 0 ? answers : answers.slice(0, close), oracle);
      }
    });
    if (channel.isOver) seen.ends++;
    if (channel.isOver || ++visit.cases === 100) await over(i);
    if (i % 20 === 0) await world.serves();
    if (i === Math.floor(cases / 4)) seen.warmHeap = await world.settled(1);
  }
  await visit.channel[Symbol.asyncDispose]();
  expect(seen.ends).toBeGreaterThan(cases / 10);
  expect(seen.ends).toBeLessThan((cases * 9) / 10);
  expect((await world.settled()) - seen.warmHeap).toBeLessThan(3 * 1024 * 1024);
}

/** Appends a call to the case. If the case ends within a message, which contains the call then, completes it and appends another. */
function complete(start: Uint8Array, call: Uint8Array, oracle: Oracle): { readonly bytes: Buffer; readonly verdict: Verdict } {
  let bytes = Buffer.concat([start, call]);
  let verdict = oracle.judge(bytes);
  while (verdict.missing > 0) {
    bytes = Buffer.concat([bytes, Buffer.alloc(verdict.missing), call]);
    verdict = oracle.judge(bytes);
  }
  return { bytes, verdict };
}

/** Checks the Close (PROTOCOL.md, 4 and 5): it has the reason, and none if the client closed. */
function checkEnd(channel: Channel, { end }: Verdict, bytes: Uint8Array): void {
  expect(channel.isOver).toBe(true);
  const refusal = channel.refusal(bytes);
  // The transport refuses the bytes that it reads, unless an earlier message has ended the connection.
  if (refusal !== undefined && channel.closeCode === refusal) return;
  expect(channel.closeCode).toBe(end || refusal === undefined ? 1000 : refusal);
  const close = channel.reader.answers.at(-1);
  if (end === 'goodbye') {
    if (close?.type === 7) expect(close.error ?? undefined).toBeUndefined();
    return;
  }
  const texts = end?.texts ?? [];
  expect(texts.map((text) => `Connection closed with an error. HublineError: ${text}`)).toContain(close?.error);
  expect(close).toMatchObject({ type: 7, allowReconnect: false, code: end?.code });
}

const SPEECH = {
  json: {
    makeCase(...given: Parameters<typeof jsonCase>) {
      const bytes = jsonCase(...given);
      return bytes.at(-1) === END ? bytes : Buffer.concat([bytes, Uint8Array.of(END)]);
    },
    call: (id: string, argument: number) =>
      Buffer.from(`${JSON.stringify({ type: 1, invocationId: id, target: 'echo', arguments: [argument] })}\u001e`),
  },
  messagepack: {
    makeCase: messagePackCase,
    call(id: string, argument: number) {
      const body = writeMessagePack([1, {}, id, 'echo', [argument], []], () => 0);
      return Buffer.concat([prefix(body.length), body]);
    },
  },
};
