import { HublineError, type TransportName } from '@hubline/protocol';
import type { Identity } from './connection.ts';
import type { HeartbeatListener, Heartbeat } from './heartbeat.ts';

/** A connection that was negotiated: its ids, who it is, and the transport that has come for it. */
export interface Session {
  readonly connectionId: string;
  readonly token: string;
  readonly identity: Identity;
  readonly transport: TransportName | undefined;
}

interface Entry extends Session {
  transport: TransportName | undefined;
  waitedMs: number;
}

/** Connections by their secret token, from negotiation to their end. Those that nobody comes for are forgotten. */
export class Sessions implements HeartbeatListener {
  readonly #entries = new Map<string, Entry>();
  readonly #heartbeat: Heartbeat;
  readonly #timeoutMs: number;

  constructor(heartbeat: Heartbeat, timeoutMs: number) {
    this.#heartbeat = heartbeat;
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#entries.size;
  }

  add({ connectionId, token, identity }: Omit<Session, 'transport'>): Session {
    if (this.#entries.size === 0) this.#heartbeat.add(this);
    const entry = { connectionId, token, identity, transport: undefined, waitedMs: 0 };
    this.#entries.set(token, entry);
    return entry;
  }

  /** @throws HublineError `forbidden` where it belongs to somebody else */
  find(token: string, identity: Identity): Session | undefined {
    const entry = this.#entries.get(token);
    if (entry && entry.identity.userId !== identity.userId)
      throw new HublineError('forbidden', 'The connection belongs to another user.', {});
    return entry;
  }

  /** Its transport is open. False where another one was faster, or it took too long. */
  connect(token: string, transport: TransportName): boolean {
    const entry = this.#entries.get(token);
    if (!entry || entry.transport) return false;
    entry.transport = transport;
    return true;
  }

  remove(token: string): void {
    this.#entries.delete(token);
    if (this.#entries.size === 0) this.#heartbeat.remove(this);
  }

  beat(ms: number): void {
    for (const entry of this.#entries.values()) {
      if (!entry.transport && (entry.waitedMs += ms) >= this.#timeoutMs) this.remove(entry.token);
    }
  }
}
