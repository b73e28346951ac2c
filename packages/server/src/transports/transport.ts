import type { TransportName, Wire } from '@hubline/protocol';
import type { Batch } from './batch.ts';
import type { Body } from './body.ts';

/** An open channel to one client. There is no opening state: every transport can be written to. */
export interface Transport {
  readonly name: TransportName;
  /** False if the transport carries text only. */
  readonly carriesBytes: boolean;
  /** True if the transport itself detects a missing client, so that no pings are needed. */
  readonly inherentKeepAlive: boolean;
  /** The type of the frames; set once the handshake has chosen a codec. */
  format: 'text' | 'binary';
  /** Written bytes that the client has not read. */
  readonly bufferedBytes: number;
  /** Writes the messages of one turn. Never throws: a broken socket is reported once, through `closed`. */
  write(batch: Batch): void;
  /** Calls back when everything written has been read, or the transport has closed. */
  onceDrained(then: () => void): void;
  /** Bytes that are read while the listener is paused, to find control frames behind them; see `pause`. */
  readonly readAheadBytes: number;
  /** Stops reading the client, so that a slow method slows its caller. */
  pause(): void;
  /** Reads the client again. */
  resume(): void;
  /** Takes the body of a POST, if clients send by POST over this transport. Rejects if the body did not arrive whole. */
  post?(body: Body): Promise<void>;
  /** How long the peer has not answered pings of the transport; 0 without such pings. */
  readonly silentMs: number;
  /** Checks the time limits of the transport. Called at every heartbeat. */
  heartbeat(ms: number): void;
  /** Closes after the written data, with a close code if the transport has one. Idempotent. */
  close(code: number, reason: string): void;
  /** Closes without waiting for the peer. Idempotent. */
  destroy(): void;
}

/** Receives the events of a transport. Bound before the first byte, so that none is missed. */
export interface TransportListener {
  /** `isEnd` is true for the last chunk of a WebSocket message, and for chunks of other transports. */
  receive(chunk: Wire, isEnd: boolean): void;
  /** Called with the number of the transport's own frames: pings and pongs. */
  controlled?(frames: number): void;
  /** Called exactly once, whichever side closed. */
  closed(end: TransportEnd): void;
}

export interface TransportEnd {
  /** The WebSocket close code (RFC 6455, 7.4): 1006 for a broken socket, 1002 with an error for invalid frames. */
  readonly code: number;
  readonly error?: Error;
}
