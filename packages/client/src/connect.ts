import { isHublineError, type Affinity, type HublineError, type Wire } from '@hubline/protocol';
import { onAbort } from './abort.ts';
import { hubUrl, withAffinity, withQuery } from './hub-url.ts';
import { negotiate, type Offer } from './negotiate.ts';
import { reasonOf, refusal } from './refusal.ts';
import type { ClientSettings } from './settings.ts';
import type { OpenRequest, Pipe, Transport } from './transport.ts';

export interface Attempt {
  /** Cancels the attempt. */
  readonly signal: AbortSignal;
  /** Whether the server has refused the last token. */
  readonly fresh: boolean | undefined;
  /** The node to prefer. */
  readonly affinity: Affinity | undefined;
  /** Starts the time limit of the next step. After the time limit it calls `timedOut`, by default to end the attempt. */
  step(name: string, timedOut?: () => void): void;
  receive(wire: Wire): void;
}

/** An open pipe, with its data from the response of negotiate. */
export interface Connected {
  readonly pipe: Pipe;
  /** The id of the negotiation. Undefined if that was skipped. */
  readonly connectionId?: string | undefined;
  /** The node of this connection, for the next attempt. */
  readonly affinity?: Affinity | undefined;
}

/** Whether another attempt would fail in the same way. */
export const isPermanent = (error: unknown): boolean => isRefused(error) || codeIn(error) === 'invalid_option';
const isRefused = (error: unknown): boolean => ['unauthorized', 'forbidden'].includes(codeIn(error));
const codeIn = (error: unknown): string => (error as HublineError).code;

/**
 * Opens a pipe: asks the program for a token, negotiates, and tries the transports in the server's order.
 * @throws HublineError `unauthorized` or `forbidden` even with a fresh token; `invalid_option`; `negotiation_failed` for everything else
 */
export async function connect(settings: ClientSettings, attempt: Attempt): Promise<Connected> {
  const { signal, fresh, affinity: hint, step } = attempt;
  const { url: given, accessToken, transports, codec, skipNegotiation } = settings;
  const failures: unknown[] = [];
  try {
    const url = hubUrl(given);
    step('accessToken');
    const token = await accessToken?.({ fresh: !!fresh });
    const open = (transport: Transport, where: Pick<OpenRequest, 'url' | 'token' | 'headers'>): Promise<Pipe> => {
      const opening = new AbortController();
      onAbort(signal, () => opening.abort());
      // A transport that does not open in time is aborted, and the next one is tried.
      step(transport.name, () => opening.abort());
      return transport.open({
        ...settings,
        ...attempt,
        ...where,
        signal: opening.signal,
        accessToken: where.token === token ? accessToken : undefined,
      });
    };
    const ask = (where: URL): Promise<Offer> => {
      step('negotiate');
      return negotiate({ ...settings, url: where, token, signal });
    };
    if (skipNegotiation) return { pipe: await open(transports[0]!, { url, token }) };

    let offer: Offer | undefined = await ask(withAffinity(url, hint));
    for (const { transport: name, transferFormats } of offer.availableTransports) {
      const transport = transports.find((each) => each.name === name);
      if (!transport || !String(transferFormats).toLowerCase().includes(codec.format)) continue;
      // A connection id cannot be used again after a failure, so the next transport needs a new one.
      offer ??= await ask(url);
      const { connectionId, connectionToken, negotiateVersion, affinity } = offer;
      const target = withQuery(withAffinity(offer.url, affinity), 'id', (negotiateVersion && connectionToken) || connectionId);
      try {
        return { pipe: await open(transport, { ...offer, url: target }), connectionId, affinity };
      } catch (error) {
        if (signal.aborted || isRefused(error)) throw error;
        failures.push(error);
        offer = undefined;
      }
    }
  } catch (error) {
    if (isRefused(error) && accessToken && !fresh) return connect(settings, { ...attempt, fresh: true, affinity: undefined });
    if (isHublineError(error)) throw error;
    failures.push(error);
  }
  const [first] = failures;
  if (failures.length === 1 && isHublineError(first)) throw first;
  throw refusal(failures.map(reasonOf).join(' ') || 'No common transport.', {
    cause: new AggregateError(failures),
  });
}
