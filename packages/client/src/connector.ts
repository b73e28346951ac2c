import { asError, isHublineError, type Affinity, type Codec, type Wire } from '@hubline/protocol';
import { bounded } from './bounded.ts';
import type { Clock } from './clock.ts';
import { negotiate, withAffinity, type Offer } from './negotiate.ts';
import { refusal } from './refusal.ts';
import type { Network, Pipe, Transport } from './transport.ts';

/** Asked before every attempt; with `fresh`, the server has refused the last one, and a cached one will not do. */
export type AccessToken = (ask: { readonly fresh: boolean }) => string | undefined | Promise<string | undefined>;

export interface ConnectorOptions extends Network {
  readonly url: string | URL;
  readonly accessToken?: AccessToken | undefined;
  readonly transports: readonly Transport[];
  readonly skipNegotiation: boolean;
  readonly startTimeoutMs: number;
  readonly codec: Codec;
  readonly clock: Clock;
}

/** A pipe that is open, and what the server called it. */
export interface Connected {
  readonly pipe: Pipe;
  /** Unknown where negotiation was skipped. */
  readonly connectionId?: string;
  /** Give it to the next attempt, when this connection has served. */
  readonly affinity?: Affinity | undefined;
}

export interface Attempt {
  readonly signal: AbortSignal;
  receive(wire: Wire): void;
  /** The node to prefer: good for one request, since a refusal may be its fault. */
  readonly affinity: Affinity | undefined;
}

/** Opens pipes: asks for a token, negotiates, and tries the transports in the server's order. */
export class Connector {
  readonly #options: ConnectorOptions;
  /** A browser does not say why a WebSocket did not open. Without negotiation it may have been the token. */
  #doubtful = false;

  constructor(options: ConnectorOptions) {
    this.#options = options;
  }

  /** @throws HublineError `unauthorized` or `forbidden`, which are verdicts; `negotiation_failed`; `timed_out` */
  async connect(attempt: Attempt): Promise<Connected> {
    try {
      return await this.#connect(attempt, this.#doubtful);
    } catch (error) {
      if (!this.#options.accessToken || !isVerdict(error)) throw error;
      return this.#connect({ ...attempt, affinity: undefined }, true);
    }
  }

  async #connect({ signal, receive, affinity }: Attempt, fresh: boolean): Promise<Connected> {
    const { url: given, accessToken, transports, skipNegotiation, startTimeoutMs: timeoutMs, codec, clock, ...network } = this.#options;
    // A worker made of a blob has an address that nothing can be relative to; its origin's is inside.
    const url = new URL(String(given).replace(/^ws/, 'http'), globalThis.location?.href.replace(/^blob:/, ''));
    const token = await bounded({ clock, signal, timeoutMs: Infinity }, () => accessToken?.({ fresh }));
    const { format } = codec;
    const open = (transport: Transport, offer: Pick<Offer, 'url' | 'token'>): Promise<Pipe> =>
      bounded({ clock, signal, timeoutMs }, (signal) => transport.open({ ...network, ...offer, format, signal, receive }));
    const [first] = transports;
    if (skipNegotiation && first) {
      this.#doubtful = true;
      const pipe = await open(first, { url, token });
      this.#doubtful = false;
      return { pipe };
    }

    const ask = (hint?: Affinity): Promise<Offer> =>
      bounded({ clock, signal, timeoutMs }, (signal) => negotiate({ ...network, url, token, affinity: hint, signal }));
    let offer: Offer | undefined = await ask(affinity);
    const failures: Error[] = [];
    for (const { transport: name, transferFormats } of offer.answer.availableTransports) {
      const transport = transports.find((each) => each.name === name);
      if (!transport || !transferFormats.some((each) => each.toLowerCase() === format)) continue;
      // A connection that could not be opened is used up.
      offer ??= await ask();
      const { connectionId, connectionToken, negotiateVersion, affinity: here } = offer.answer;
      const target = withAffinity(offer.url, here);
      target.searchParams.set('id', (negotiateVersion && connectionToken) || connectionId);
      try {
        return { pipe: await open(transport, { url: target, token: offer.token }), connectionId, affinity: here };
      } catch (error) {
        if (signal.aborted || isVerdict(error)) throw error;
        failures.push(asError(error));
        offer = undefined;
      }
    }
    const texts = failures.map(({ message }) => ` ${message}`);
    throw refusal(
      undefined,
      failures.length > 0 ?
        `Unable to connect to the server with any of the available transports.${texts.join('')}`
      : 'None of the transports supported by the client are supported by the server.',
      new AggregateError(failures),
    );
  }
}

/** What trying again will not change. */
export const isVerdict = (error: unknown): boolean =>
  isHublineError(error) && ['unauthorized', 'forbidden', 'invalid_option'].includes(error.code);
