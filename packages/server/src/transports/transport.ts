import type { TransportName, Wire } from '@hubline/protocol';
import type { Batch } from './batch.ts';
import type { Body } from './body.ts';

/** An open pipe to one client. There is no opening state: every transport can be written to. */
export interface Transport {
  readonly name: TransportName;
  /** False where only text arrives unharmed. */
  readonly carriesBytes: boolean;
  /** True where the transport itself shows that the client is there, so that no pings are needed. */
  readonly inherentKeepAlive: boolean;
  /** The type of the frames; set once the handshake has chosen a codec. */
  format: 'text' | 'binary';
  /** Bytes written that the client has not taken yet. */
  readonly bufferedBytes: number;
  /** Hands over what was queued in one turn. Never throws: a broken pipe is reported once, through `closed`. */
  write(batch: Batch): void;
  /** Calls back once everything written has been taken, or the pipe is gone. */
  onceDrained(then: () => void): void;
  /** Bytes that are read ahead while the listener is paused, so that control frames behind them are seen; see `pause`. */
  readonly readAheadBytes: number;
  /** Stops and starts reading: how a slow method slows its caller. */
  pause(): void;
  resume(): void;
  /** Takes the body of a POST, by which clients send where the transport carries data in one direction only. Rejects if it did not arrive whole. */
  post?(body: Body): Promise<void>;
  /** How long the peer has been silent although the transport pings it; 0 where the transport has no pings. */
  readonly silentMs: number;
  /** Called at every heartbeat: the transport checks its own time limits. */
  heartbeat(ms: number): void;
  /** Closes after the written data, with a close code where the transport has one. Idempotent. */
  close(code: number, reason: string): void;
  /** Cuts the pipe without waiting for the peer. Idempotent. */
  destroy(): void;
}

/** Receives the events of a transport. It is bound before the first byte, so none can be missed. */
export interface TransportListener {
  /** `isEnd` where the chunk ends what the client sent as one: a WebSocket message. */
  receive(chunk: Wire, isEnd: boolean): void;
  /** Called with the number of the transport's own frames: pings and pongs. */
  controlled?(frames: number): void;
  /** Called exactly once, whoever closed. */
  closed(end: TransportEnd): void;
}

export interface TransportEnd {
  /** The WebSocket close code (RFC 6455, 7.4): 1006 where the pipe broke, 1002 with an error where the peer broke its rules. */
  readonly code: number;
  readonly error?: Error;
}
