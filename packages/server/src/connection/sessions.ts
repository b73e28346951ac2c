import type { TransportName } from '@hubline/protocol';
import type { Identity } from './connection.ts';
import type { HeartbeatListener, Heartbeat } from './heartbeat.ts';
import type { Place } from './quota.ts';

/** A negotiated connection: its ids, its identity, and its transport once that is open. */
export interface Session {
  readonly connectionId: string;
  readonly token: string;
  readonly identity: Identity;
  /** The session's place in the node's quota, until it ends. */
  readonly place: Place;
  readonly transport: TransportName | undefined;
}

interface Entry extends Session {
  transport: TransportName | undefined;
  waitedMs: number;
}

/** Sessions by their secret token, from negotiation to their end. Those that get no transport within `connectMs` expire. */
export class Sessions implements HeartbeatListener {
  readonly #entries = new Map<string, Entry>();
  readonly #heartbeat: Heartbeat;
  readonly #timeoutMs: number;

  constructor(heartbeat: Heartbeat, timeoutMs: number) {
    this.#heartbeat = heartbeat;
    this.#timeoutMs = timeoutMs;
  }

  add(session: Omit<Session, 'transport'>): Session {
    if (this.#entries.size === 0) this.#heartbeat.add(this);
    const entry = { ...session, transport: undefined, waitedMs: 0 };
    this.#entries.set(session.token, entry);
    return entry;
  }

  find(token: string): Session | undefined {
    return this.#entries.get(token);
  }

  /** Records the open transport. False where another transport was first, or the session has expired. */
  connect(token: string, transport: TransportName): boolean {
    const entry = this.#entries.get(token);
    if (!entry || entry.transport) return false;
    entry.transport = transport;
    return true;
  }

  remove(token: string): void {
    const entry = this.#entries.get(token);
    if (!entry) return;
    this.#entries.delete(token);
    entry.place.leave();
    if (this.#entries.size === 0) this.#heartbeat.remove(this);
  }

  beat(ms: number): void {
    for (const entry of this.#entries.values()) {
      if (!entry.transport && (entry.waitedMs += ms) >= this.#timeoutMs) this.remove(entry.token);
    }
  }
}
