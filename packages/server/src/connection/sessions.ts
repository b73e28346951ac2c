import { HublineError } from '@hubline/protocol';
import type { Identity } from './connection.ts';
import type { Beating, Pulse } from './pulse.ts';

/** A connection that was negotiated: its ids, and whether its transport has come. */
export interface Session {
  readonly connectionId: string;
  readonly token: string;
  readonly identity: Identity;
}

interface Entry extends Session {
  connected: boolean;
  waitedMs: number;
}

/** Connections by their secret token, from negotiation to their end. Those that nobody comes for are forgotten. */
export class Sessions implements Beating {
  readonly #entries = new Map<string, Entry>();
  readonly #pulse: Pulse;
  readonly #timeoutMs: number;

  constructor(pulse: Pulse, timeoutMs: number) {
    this.#pulse = pulse;
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#entries.size;
  }

  add(session: Session): void {
    if (this.#entries.size === 0) this.#pulse.add(this);
    this.#entries.set(session.token, { ...session, connected: false, waitedMs: 0 });
  }

  /** The session that a transport asks for. @throws HublineError `connection_gone`, `forbidden` or `already_connected` */
  find(token: string, identity: Identity): Session {
    const entry = this.#entries.get(token);
    if (!entry) throw new HublineError('connection_gone', 'No Connection with that ID', { connectionId: '' });
    if (entry.identity.userId !== identity.userId) throw new HublineError('forbidden', 'The connection belongs to another user.', {});
    if (entry.connected) throw new HublineError('already_connected', '', { connectionId: entry.connectionId });
    return entry;
  }

  /** Its transport is open. False where another one was faster, or it took too long. */
  connect(token: string): boolean {
    const entry = this.#entries.get(token);
    if (!entry || entry.connected) return false;
    return (entry.connected = true);
  }

  remove(token: string): void {
    this.#entries.delete(token);
    if (this.#entries.size === 0) this.#pulse.remove(this);
  }

  beat(ms: number): void {
    for (const entry of this.#entries.values()) {
      if (!entry.connected && (entry.waitedMs += ms) >= this.#timeoutMs) this.remove(entry.token);
    }
  }
}
