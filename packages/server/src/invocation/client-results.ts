import { asError, HublineError, isHublineError, jsonCodec, MessageType, type Codec, type Completion } from '@hubline/protocol';
import { read, type Read } from '../backplane/index.ts';
import type { ClientAnswer } from '../connection/index.ts';
import { bytesOf, readMessage, wireOf, type Codecs } from '../membership/index.ts';
import type { RejectionCode, LocalOutcome } from './outcome.ts';

/**
 * The header of a client's result between nodes: a rejection, or the protocol and the length of the completion. The completions are one
 * after the other in the body of the reply.
 */
export type ResultHeader =
  | { readonly id: string; readonly code: RejectionCode; readonly message: string }
  | { readonly id: string; readonly written: readonly [codec: string, length: number] };

const REJECTIONS: Readonly<Record<RejectionCode, true>> = {
  client_error: true,
  invalid_result: true,
  not_encodable: true,
  call_timeout: true,
  connection_gone: true,
  node_lost: true,
  node_silent: true,
};

const isRejection = (code: string): code is RejectionCode => Object.hasOwn(REJECTIONS, code);

const readRejection: Read<RejectionCode> = (value) => {
  const code = read.text(value);
  return isRejection(code) ? code : read.refuse('the code of a rejection', value);
};
const readRejected = read.fields({ id: read.text, code: readRejection, message: read.text });
const readCompleted = read.fields({ id: read.text, written: read.copyLength });
const readResultHeader: Read<ResultHeader> = (value) => ('code' in read.object(value) ? readRejected(value) : readCompleted(value));

/** Decodes the replies of a node whose clients are invoked: first their ids, then their results. */
export const readInvocationReply = read.fields({
  roster: read.optional(read.list(read.text)),
  settled: read.optional(read.list(readResultHeader)),
});

/** The header of a result, and the bytes of its completion. */
export interface EncodedResult {
  readonly header: ResultHeader;
  readonly bytes?: Uint8Array;
}

export interface ResultProtocols {
  /** The client's protocol. */
  readonly codec: Codec | undefined;
  /** The protocols that the requesting node can decode. */
  readonly spoken: ReadonlySet<string>;
}

/** Encodes a result. Never throws: if the result cannot be encoded, it becomes an error of this client. */
export function encodeResult(id: string, answer: ClientAnswer, { codec = jsonCodec, spoken }: ResultProtocols): EncodedResult {
  if (!answer) return { header: { id, code: 'connection_gone', message: 'The client has disconnected.' } };
  if (answer.error !== undefined) return { header: { id, code: 'client_error', message: answer.error } };
  const completion: Completion = { type: MessageType.Completion, invocationId: '-', result: answer.result ?? null };
  const common = spoken.has(codec.name) ? codec : jsonCodec;
  try {
    const bytes = bytesOf(common.encode(completion));
    return { header: { id, written: [common.name, bytes.length] }, bytes };
  } catch (error) {
    return { header: unencodable(id, error) };
  }
}

/** Decodes results. A result that cannot be decoded becomes an error of its client. */
export function decodeResults(headers: readonly ResultHeader[], body: Uint8Array, codecs: Codecs): LocalOutcome[] {
  let at = 0;
  return headers.map((header) => {
    if ('code' in header) return header;
    const [name, length] = header.written;
    const bytes = body.subarray(at, (at += length));
    try {
      return { id: header.id, value: readResult(bytes, codecs.get(name) ?? (name === jsonCodec.name ? jsonCodec : undefined)) };
    } catch (error) {
      return { id: header.id, code: 'client_error', message: asError(error).message };
    }
  });
}

function readResult(bytes: Uint8Array, codec: Codec | undefined): unknown {
  const message = codec && readMessage(wireOf(bytes, codec), codec);
  if (message?.type === MessageType.Completion) return message.result;
  throw new HublineError('invalid_message', 'A message between nodes is damaged.', { why: 'a completion was expected' });
}

/** The rejection of a client whose protocol cannot encode the invocation, or whose result cannot be sent to the requesting node. */
export function unencodable(id: string, error: unknown): ResultHeader {
  const code = isHublineError(error) && error.code === 'not_encodable' ? error.code : 'client_error';
  return { id, code, message: asError(error).message };
}
