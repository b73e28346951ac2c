import type { Wire } from '@hubline/protocol';
import type { Batch, Format } from './batch.ts';
import type { Transport, TransportListener } from './transport.ts';

/** The client's end of a connection in memory. */
export interface InMemoryPipe {
  send(wire: Wire): void;
  readonly closed: Promise<{ readonly closeCode: number; readonly reason: string }>;
  /** Always 0: data is handed over at once. */
  readonly bufferedAmount: number;
}

const joined: Format = (messages) =>
  Buffer.concat(messages.map((message) => (typeof message === 'string' ? Buffer.from(message) : message)));

/** Hands data to a client of the same process, and back, in a later microtask, as a socket does in a later turn. Stands for WebSockets. */
export class InMemoryTransport implements Transport {
  readonly name = 'WebSockets';
  readonly carriesBytes = true;
  readonly inherentKeepAlive = false;
  readonly bufferedBytes = 0;
  readonly readAheadBytes = 0;
  /** The client's own pings are what shows that it is there. */
  readonly silentMs = 0;
  format: 'text' | 'binary' = 'text';
  readonly gone: InMemoryPipe['closed'];
  readonly #receive: (wire: Wire) => void;
  #listener: TransportListener | undefined;
  #end!: (end: { readonly closeCode: number; readonly reason: string }) => void;
  #isOpen = true;
  #isPaused = false;
  /** The messages that the client sent while the listener was paused or not yet known. */
  readonly #unread: Wire[] = [];

  constructor(receive: (wire: Wire) => void) {
    this.#receive = receive;
    this.gone = new Promise((resolve) => (this.#end = resolve));
  }

  open(listener: TransportListener): void {
    this.#listener = listener;
    this.#deliver();
  }

  write(batch: Batch): void {
    if (!this.#isOpen) return;
    const bytes = batch.as(joined);
    const wire = this.format === 'text' ? bytes.toString() : new Uint8Array(bytes); // a copy: all clients of a broadcast share the bytes
    later(() => this.#receive(wire));
  }

  onceDrained(then: () => void): void {
    later(then);
  }

  pause(): void {
    this.#isPaused = true;
  }

  resume(): void {
    this.#isPaused = false;
    this.#deliver();
  }

  heartbeat(): void {} // nothing is buffered, and there are no frames of its own

  close(code: number, reason: string): void {
    later(() => this.end(code, reason)); // after what was written
  }

  destroy(): void {
    this.end(1006, '');
  }

  /** Takes data of the client. */
  sent(wire: Wire): void {
    if (!this.#isOpen) return;
    this.#unread.push(wire);
    later(() => this.#deliver());
  }

  /** Ends the connection, whichever side does. Idempotent. */
  end(closeCode: number, reason: string): void {
    if (!this.#isOpen) return;
    this.#isOpen = false;
    for (const wire of this.#unread.splice(0)) this.#listener?.receive(wire, true); // also while paused: a Close message of the client
    this.#end({ closeCode, reason });
    this.#listener?.closed({ code: closeCode });
  }

  #deliver(): void {
    while (this.#isOpen && !this.#isPaused && this.#listener) {
      const wire = this.#unread.shift();
      if (wire === undefined) break;
      this.#listener.receive(wire, true);
    }
  }
}

/** A promise and no timer, so that fake timers do not stop it. */
function later(act: () => void): void {
  void Promise.resolve().then(act);
}
