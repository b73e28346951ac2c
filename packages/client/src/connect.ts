import { asError, isHublineError, type Affinity, type HublineError, type Wire } from '@hubline/protocol';
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
  ['unauthorized', 'forbidden', 'invalid_option'].includes((error as HublineError).code);

/**
 * Opens a pipe: asks for a token, negotiates, and tries the transports in the server's order.
 * @throws HublineError `unauthorized` or `forbidden` even with a fresh token; `negotiation_failed` for everything else
 */
export async function connect(settings: Settings, attempt: Attempt): Promise<Connected> {
  const { signal, fresh, affinity: hint, step } = attempt;
  const { url: given, accessToken, transports, codec, skipNegotiation } = settings;
  const failures: Error[] = [];
  try {
    const url = new URL(String(given).replace(/^ws/, 'http'), globalThis.location?.href);
    const token = await accessToken?.({ fresh });
    const open = (transport: Transport, where: Pick<OpenRequest, 'url' | 'token'>): Promise<Pipe> => {
      step();
      return transport.open({ ...settings, ...attempt, ...where, accessToken: where.token === token ? accessToken : undefined });
    };
    const ask = (affinity?: Affinity): Promise<Offer> => {
      step();
      return negotiate({ ...settings, url, token, affinity, signal });
    };
    if (skipNegotiation) return { pipe: await open(transports[0]!, { url, token }) };

    let offer: Offer | undefined = await ask(hint);
    for (const { transport: name, transferFormats } of offer.availableTransports) {
      const transport = transports.find((each) => each.name === name);
      if (!transport || !String(transferFormats).toLowerCase().includes(codec.format)) continue;
      // A connection that could not be opened is used up.
      offer ??= await ask();
      const { connectionId, connectionToken, negotiateVersion, affinity, token } = offer;
      const url = withAffinity(offer.url, affinity);
      url.searchParams.set('id', (negotiateVersion && connectionToken) || connectionId);
      try {
        return { pipe: await open(transport, { url, token }), connectionId, affinity };
      } catch (error) {
        if (signal.aborted || isVerdict(error)) throw error;
        failures.push(asError(error));
        offer = undefined;
      }
    }
  } catch (error) {
    if (isVerdict(error) && accessToken && !fresh) return connect(settings, { ...attempt, fresh: true, affinity: undefined });
    if (isHublineError(error)) throw error;
    failures.push(asError(error));
  }
  throw refusal(String(failures.map(({ message }) => message)) || 'No common transport.', { cause: new AggregateError(failures) });
}
