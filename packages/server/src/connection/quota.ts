import { HublineError } from '@hubline/protocol';
import { Refused } from '../transports/index.ts';
import { addressKey } from './address.ts';
import type { Clock } from './clock.ts';

/** The limits on all clients of a node together. */
export interface ConnectionLimits {
  /** Connections of this node, from negotiation to their end. Default 50,000. */
  readonly maxConnections: number;
  /** Of one address; of one /64 where it is IPv6. Default 1,000. Behind a proxy set `trustProxy`, or all have its address. */
  readonly maxConnectionsPerAddress: number;
  /** Of one user. Default 500. */
  readonly maxConnectionsPerUser: number;
  /** New connections a second; as many may come at once after a quiet second. Default 500. */
  readonly maxHandshakesPerSecond: number;
  /** Of one address, as in `maxConnectionsPerAddress`: new connections within a second. Default 250. */
  readonly maxHandshakesPerSecondPerAddress: number;
  /** Runs of `authenticate` at the same time. Default 1,024. */
  readonly maxAuthentications: number;
  /** Of one address, as in `maxConnectionsPerAddress`. Default 256. */
  readonly maxAuthenticationsPerAddress: number;
}

/** The refusal of each limit: a status that tells whose load it is, and when a retry makes sense. */
const REFUSALS = {
  maxConnections: { status: 503, retryAfterS: 10, text: 'This node has all the connections that it takes.' },
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

/** Counts the connections of a node, and refuses those that are too many. */
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
    const counted = [(): void => void this.#connections--, (): void => add(this.#byAddress, address, -1)];
    return {
      assignTo: (userId) => {
        if (userId === undefined) return;
        this.#check('maxConnectionsPerUser', this.#byUser.get(userId) ?? 0);
        add(this.#byUser, userId, 1);
        counted.push(() => add(this.#byUser, userId, -1));
      },
      release: () => counted.splice(0).forEach((undo) => undo()),
    };
  }

  /** Gives `run` a signal and at most `timeoutMs`. It counts as running until it has settled, or its time is over. @throws Refused */
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
      const late = new Promise<never>((_resolve, reject) => {
        undo = this.#clock.after(timeoutMs, () => {
          const error = new HublineError('timed_out', `authenticate did not settle within ${timeoutMs} ms.`, { timeoutMs });
          controller.abort(error);
          this.#report(error);
          reject(
            new Refused({ status: 503, text: 'The server could not authenticate the client in time.', retryAfterS: 1 }, { cause: error }),
          );
        });
      });
      const value = await Promise.race([run(controller.signal), late]);
      clientGone.throwIfAborted();
      return value;
    } finally {
      undo();
      clientGone.removeEventListener('abort', abort);
      this.#authentications--;
      add(this.#authenticating, address, -1);
    }
  }

  /** One address alone must not use up what all may. */
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

function add(counts: Map<string, number>, key: string, by: number): void {
  const count = (counts.get(key) ?? 0) + by;
  if (count > 0) counts.set(key, count);
  else counts.delete(key);
}
