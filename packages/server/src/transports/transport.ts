import type { TransportName, Wire } from '@hubline/protocol';
import type { Batch } from './batch.ts';

/** An open pipe to one client. There is no opening pipe: who holds a transport may write. */
export interface Transport {
  readonly name: TransportName;
  /** False where only text arrives unharmed. */
  readonly carriesBytes: boolean;
  /** True where the transport itself shows that the client is there: nobody pings. */
  readonly inherentKeepAlive: boolean;
  /** What the frames are; set once the handshake has chosen a codec. */
  format: 'text' | 'binary';
  /** Bytes written that the client has not taken yet. */
  readonly bufferedBytes: number;
  /** Hands over what was queued in one turn. Never throws: a broken pipe is reported once, through `closed`. */
  write(batch: Batch): void;
  /** Calls back once everything written has been taken, or the pipe is gone. */
  onceDrained(then: () => void): void;
  /** What is read although the listener takes nothing, so that signs of life behind it are seen. Not read any further: see `pause`. */
  readonly readAheadBytes: number;
  /** Stops and starts reading: how a slow method slows its caller. */
  pause(): void;
  resume(): void;
  /** How long nothing was heard although the transport asks for signs of life; 0 where it cannot ask. */
  readonly silentMs: number;
  /** Time has passed: the transport looks at its own deadlines. */
  beat(ms: number): void;
  /** Says goodbye after what is written, then closes. Idempotent. */
  close(code: number, reason: string): void;
  /** Cuts the pipe without waiting for the peer. Idempotent. */
  destroy(): void;
}

/** What hangs on a pipe. It is bound before the first byte, so none can be missed. */
export interface TransportListener {
  /** `isEnd` where the chunk ends what the client sent as one: a WebSocket message. */
  receive(chunk: Wire, isEnd: boolean): void;
  /** So many frames came that are the transport's own: pings and pongs. */
  controlled?(frames: number): void;
  /** Called exactly once, whoever closed. */
  closed(end: TransportEnd): void;
}

export interface TransportEnd {
  /** The WebSocket close code (RFC 6455, 7.4): 1006 where the pipe broke, 1002 with an error where the peer broke its rules. */
  readonly code: number;
  readonly error?: Error;
}
