import { asError, isHublineError, type Affinity, type Wire } from '@hubline/protocol';
import { negotiate, withAffinity, type Offer } from './negotiate.ts';
import { refusal } from './refusal.ts';
import type { Settings } from './settings.ts';
import type { OpenRequest, Pipe, Transport } from './transport.ts';

export interface Attempt {
  /** Calls the attempt off. */
  readonly signal: AbortSignal;
  /** Whether the server has refused the last token. */
  readonly fresh: boolean;
  /** The node to prefer. */
  readonly affinity: Affinity | undefined;
  /** Called before each step that can take its time. */
  step(): void;
  receive(wire: Wire): void;
}

/** A pipe that is open, and what the server said about it. */
export interface Connected {
  readonly pipe: Pipe;
  /** Unknown where negotiation was skipped. */
  readonly connectionId?: string;
  /** For the next attempt, if this connection serves. */
  readonly affinity?: Affinity | undefined;
}

/** What trying again will not change. */
export const isVerdict = (error: unknown): boolean =>
  isHublineError(error) && ['unauthorized', 'forbidden', 'invalid_option'].includes(error.code);

/**
 * Opens a pipe: asks for a token, negotiates, and tries the transports in the server's order.
 * @throws HublineError `unauthorized` or `forbidden` even with a fresh token; `negotiation_failed`
 */
export async function connect(settings: Settings, attempt: Attempt): Promise<Connected> {
  const { signal, fresh, affinity: hint, step } = attempt;
  const { accessToken, transports, codec } = settings;
  // A worker made of a blob has an address that nothing can be relative to; its origin's is inside.
  const url = new URL(String(settings.url).replace(/^ws/, 'http'), globalThis.location?.href.replace(/^blob:/, ''));
  try {
    const token = await accessToken?.({ fresh });
    const open = (transport: Transport, where: Pick<OpenRequest, 'url' | 'token'>): Promise<Pipe> => {
      step();
      return transport.open({ ...settings, ...attempt, ...where });
    };
    const ask = (affinity?: Affinity): Promise<Offer> => {
      step();
      return negotiate({ ...settings, url, token, affinity, signal });
    };
    if (settings.skipNegotiation) return { pipe: await open(transports[0]!, { url, token }) };

    let offer: Offer | undefined = await ask(hint);
    const failures: Error[] = [];
    for (const { transport: name, transferFormats } of offer.answer.availableTransports) {
      const transport = transports.find((each) => each.name === name);
      if (!transport || !transferFormats.some((each) => each.toLowerCase() === codec.format)) continue;
      // A connection that could not be opened is used up.
      offer ??= await ask();
      const { connectionId, connectionToken, negotiateVersion, affinity } = offer.answer;
      const target = withAffinity(offer.url, affinity);
      target.searchParams.set('id', (negotiateVersion && connectionToken) || connectionId);
      try {
        return { pipe: await open(transport, { url: target, token: offer.token }), connectionId, affinity };
      } catch (error) {
        if (signal.aborted || isVerdict(error)) throw error;
        failures.push(asError(error));
        offer = undefined;
      }
    }
    const texts = failures.map(({ message }) => message);
    throw refusal(`Unable to connect with any of the transports of client and server. ${texts.join(' ')}`, {
      cause: new AggregateError(failures),
    });
  } catch (error) {
    if (fresh || !accessToken || !isVerdict(error)) throw error;
    return connect(settings, { ...attempt, fresh: true, affinity: undefined });
  }
}
