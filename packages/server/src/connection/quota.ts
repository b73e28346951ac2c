import { HublineError } from '@hubline/protocol';
import { Refused } from '../transports/index.ts';
import { addressKey } from './address.ts';
import type { Clock } from './clock.ts';

/** The limits on all clients of a node together. */
export interface ConnectionLimits {
  /** Connections of this node, from negotiation to their end. Default 50,000. */
  readonly maxConnections: number;
  /** Connections of one address, or of one /64 of IPv6. Default 1,000. Behind a proxy set `trustProxy`: otherwise all clients have the proxy's address. */
  readonly maxConnectionsPerAddress: number;
  /** Connections of one user. Default 500. */
  readonly maxConnectionsPerUser: number;
  /** New connections per second, and the size of a burst. Default 500. */
  readonly maxHandshakesPerSecond: number;
  /** New connections of one address within a second, counted as in `maxConnectionsPerAddress`. Default 250. */
  readonly maxHandshakesPerSecondPerAddress: number;
  /** Runs of `authenticate` at the same time. Default 1,024. */
  readonly maxAuthentications: number;
  /** The same for one address, counted as in `maxConnectionsPerAddress`. Default 256. */
  readonly maxAuthenticationsPerAddress: number;
}

/** The refusal of each limit: 503 for the load of the node, 429 for that of one address or user, and the time until a retry makes sense. */
const REFUSALS = {
  maxConnections: { status: 503, retryAfterS: 10, text: 'This node has reached its limit of connections.' },
  maxConnectionsPerAddress: { status: 429, retryAfterS: 30, text: 'There are too many connections from this address.' },
  maxConnectionsPerUser: { status: 429, retryAfterS: 30, text: 'There are too many connections of this user.' },
  maxHandshakesPerSecond: { status: 503, retryAfterS: 1, text: 'Too many clients connect at the moment.' },
  maxHandshakesPerSecondPerAddress: { status: 429, retryAfterS: 1, text: 'Too many clients of this address connect at the moment.' },
  maxAuthentications: { status: 503, retryAfterS: 1, text: 'Too many clients are being authenticated at the moment.' },
  maxAuthenticationsPerAddress: {
    status: 429,
    retryAfterS: 1,
    text: 'Too many clients of this address are being authenticated at the moment.',
  },
} as const satisfies Record<keyof ConnectionLimits, object>;

/** One connection's part of the quota. */
export interface QuotaReservation {
  /** Counts the connection for its user too. @throws Refused if the user has too many connections */
  assignTo(userId: string | undefined): void;
  /** Idempotent. */
  release(): void;
}

export interface ConnectionQuotaOptions {
  readonly limits: ConnectionLimits;
  readonly clock: Clock;
  readonly report: (error: unknown) => void;
}

export interface AuthenticationOptions {
  readonly remoteAddress: string | undefined;
  /** Aborts when the client has disconnected. */
  readonly clientGone: AbortSignal;
  readonly timeoutMs: number;
}

const REPORT_EVERY_MS = 60_000;

/** Counts the connections of a node, and refuses those above its limits. */
export class ConnectionQuota {
  readonly #limits: ConnectionLimits;
  readonly #clock: Clock;
  readonly #report: (error: unknown) => void;
  readonly #byAddress = new Map<string, number>();
  readonly #byUser = new Map<string, number>();
  readonly #reportedAt = new Map<keyof ConnectionLimits, number>();
  /** New connections by address within the current second. `maxHandshakesPerSecond` bounds the map. */
  readonly #newByAddress = new Map<string, number>();
  #secondBegan = 0;
  /** Running authentications by address. */
  readonly #authenticating = new Map<string, number>();
  #connections = 0;
  #authentications = 0;
  #tokens: number;
  #filledAt: number;

  constructor({ limits, clock, report }: ConnectionQuotaOptions) {
    this.#limits = limits;
    this.#clock = clock;
    this.#report = report;
    this.#tokens = limits.maxHandshakesPerSecond;
    this.#filledAt = clock.elapsed();
  }

  /** Counts a new connection, before its client is authenticated. @throws Refused if there are too many */
  reserve(remoteAddress: string | undefined): QuotaReservation {
    const address = addressKey(remoteAddress);
    this.#check('maxConnections', this.#connections);
    this.#check('maxConnectionsPerAddress', this.#byAddress.get(address) ?? 0);
    this.#countNew(address);
    this.#connections++;
    add(this.#byAddress, address, 1);
    return new Reservation(this, address);
  }

  /** Counts a connection for its user. @throws Refused if the user has too many connections */
  countUser(userId: string): void {
    this.#check('maxConnectionsPerUser', this.#byUser.get(userId) ?? 0);
    add(this.#byUser, userId, 1);
  }

  /** Ends the count of a connection. */
  release(address: string, userId: string | undefined): void {
    this.#connections--;
    add(this.#byAddress, address, -1);
    if (userId !== undefined) add(this.#byUser, userId, -1);
  }

  /** Runs `authenticate` with a signal, for at most `timeoutMs`. Counts it until it has settled or its time is over. @throws Refused */
  async authenticate<T>(
    run: (signal: AbortSignal) => Promise<T>,
    { remoteAddress, clientGone, timeoutMs }: AuthenticationOptions,
  ): Promise<T> {
    clientGone.throwIfAborted();
    const address = addressKey(remoteAddress);
    this.#check('maxAuthentications', this.#authentications);
    this.#check('maxAuthenticationsPerAddress', this.#authenticating.get(address) ?? 0);
    this.#authentications++;
    add(this.#authenticating, address, 1);
    const controller = new AbortController();
    const abort = (): void => controller.abort(clientGone.reason);
    clientGone.addEventListener('abort', abort, { once: true });
    let undo = (): void => undefined;
    try {
      const timeout = new Promise<never>((_resolve, reject) => {
        undo = this.#clock.after(timeoutMs, () => {
          const error = new HublineError('timed_out', `authenticate did not settle within ${timeoutMs} ms.`, { timeoutMs });
          controller.abort(error);
          this.#report(error);
          reject(
            new Refused({ status: 503, text: 'The server could not authenticate the client in time.', retryAfterS: 1 }, { cause: error }),
          );
        });
      });
      const value = await Promise.race([run(controller.signal), timeout]);
      clientGone.throwIfAborted();
      return value;
    } finally {
      undo();
      clientGone.removeEventListener('abort', abort);
      this.#authentications--;
      add(this.#authenticating, address, -1);
    }
  }

  /** Counts a new connection of an address, and then of the node: one address alone must not use up the limit of the node. */
  #countNew(address: string): void {
    const now = this.#clock.elapsed();
    if (now - this.#secondBegan >= 1000) {
      this.#newByAddress.clear();
      this.#secondBegan = now;
    }
    this.#check('maxHandshakesPerSecondPerAddress', this.#newByAddress.get(address) ?? 0);
    this.#spend();
    add(this.#newByAddress, address, 1);
  }

  /** A token bucket that holds what one second allows. */
  #spend(): void {
    const { maxHandshakesPerSecond: rate } = this.#limits;
    const now = this.#clock.elapsed();
    this.#tokens = Math.min(rate, this.#tokens + ((now - this.#filledAt) / 1000) * rate);
    this.#filledAt = now;
    if (this.#tokens < Math.min(1, rate)) throw this.#refused('maxHandshakesPerSecond');
    this.#tokens -= 1;
  }

  #check(limit: keyof ConnectionLimits, count: number): void {
    if (count >= this.#limits[limit]) throw this.#refused(limit);
  }

  #refused(limit: keyof ConnectionLimits): Refused {
    const { status, retryAfterS, text } = REFUSALS[limit];
    const max = this.#limits[limit];
    const cause = new HublineError('limit_exceeded', `${text} limits.${limit} is ${max}.`, { limit, max });
    const now = this.#clock.elapsed();
    if (now - (this.#reportedAt.get(limit) ?? -Infinity) >= REPORT_EVERY_MS) {
      this.#reportedAt.set(limit, now);
      this.#report(cause);
    }
    return new Refused({ status, retryAfterS, text, code: 'limit_exceeded' }, { cause });
  }
}

class Reservation implements QuotaReservation {
  readonly #quota: Pick<ConnectionQuota, 'countUser' | 'release'>;
  readonly #address: string;
  #userId: string | undefined;
  #isReleased = false;

  constructor(quota: Pick<ConnectionQuota, 'countUser' | 'release'>, address: string) {
    this.#quota = quota;
    this.#address = address;
  }

  assignTo(userId: string | undefined): void {
    if (userId === undefined) return;
    this.#quota.countUser(userId);
    this.#userId = userId;
  }

  release(): void {
    if (this.#isReleased) return;
    this.#isReleased = true;
    this.#quota.release(this.#address, this.#userId);
  }
}

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
