import { HublineError, isHublineError, jsonCodec, MessageType, type Codec, type Completion } from '@hubline/protocol';
import type { ClientAnswer } from '../connection/index.ts';
import { bytesOf, readMessage, wireOf, type Codecs, type Written } from '../membership/index.ts';
import type { Settled } from './outcome.ts';

/**
 * An answer on its way between nodes. What JSON can hold is in the header; anything else is a completion in the reply's
 * body, one after the other, in a protocol that the asker speaks.
 */
export type SentAnswer = Settled | { readonly id: string; readonly written: Written[number] };

/** An answer, and the bytes that follow it. */
export interface AnswerCopy {
  readonly answer: SentAnswer;
  readonly bytes?: Uint8Array;
}

/** The protocols of an answer's way. */
export interface Between {
  /** The client's. */
  readonly codec: Codec | undefined;
  /** The asker's. */
  readonly spoken: ReadonlySet<string>;
}

export function writeAnswer(id: string, answer: ClientAnswer, { codec, spoken }: Between): AnswerCopy {
  if (!answer) return { answer: { id, code: 'connection_gone', message: 'The client has disconnected.' } };
  if (answer.error !== undefined) return { answer: { id, code: 'client_error', message: answer.error } };
  const { result = null } = answer;
  // What came as JSON can leave as JSON.
  if (!codec || codec.name === jsonCodec.name) return { answer: { id, value: result } };
  const completion: Completion = { type: MessageType.Completion, invocationId: '-', result };
  try {
    if (spoken.has(codec.name)) {
      const bytes = bytesOf(codec.encode(completion));
      return { answer: { id, written: [codec.name, bytes.length] }, bytes };
    }
    jsonCodec.encode(completion); // throws where the header would lose something
    return { answer: { id, value: result } };
  } catch (error) {
    return { answer: notEncodable(id, error) };
  }
}

/** @throws HublineError `invalid_message` where another node wrote what is no completion */
export function readAnswers(answers: readonly SentAnswer[], body: Uint8Array, codecs: Codecs): Settled[] {
  let at = 0;
  return answers.map((answer) => {
    if (!('written' in answer)) return answer;
    const [name, length] = answer.written;
    const codec = codecs.get(name);
    const bytes = body.subarray(at, (at += length));
    const message = codec && readMessage(wireOf(bytes, codec), codec);
    if (message?.type === MessageType.Completion) return { id: answer.id, value: message.result };
    throw new HublineError('invalid_message', 'A message between nodes is damaged.', { why: `no completion in ${name}` });
  });
}

/** The client is there, and its protocol has no way to write the question, or this node none to hand on the answer. */
export function notEncodable(id: string, error: unknown): Settled {
  if (!isHublineError(error) || error.code !== 'not_encodable') throw error;
  return { id, code: 'not_encodable', message: error.message };
}
