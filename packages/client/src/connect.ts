import { isHublineError, type Affinity, type HublineError, type Wire } from '@hubline/protocol';
import { onAbort } from './abort.ts';
import { negotiate, withAffinity, type Offer } from './negotiate.ts';
import { refusal } from './refusal.ts';
import { textOf } from './remote-error.ts';
import type { Settings } from './settings.ts';
import type { OpenRequest, Pipe, Transport } from './transport.ts';

export interface Attempt {
  /** Calls the attempt off. */
  readonly signal: AbortSignal;
  /** Whether the server has refused the last token. */
  readonly fresh: boolean | undefined;
  /** The node to prefer. */
  readonly affinity: Affinity | undefined;
  /** Called before each step that can take its time; `late` when it took too much, which otherwise ends the attempt. */
  step(late?: () => void): void;
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
export const isVerdict = (error: unknown): boolean => ['unauthorized', 'forbidden'].includes((error as HublineError).code);

/**
 * Opens a pipe: asks for a token, negotiates, and tries the transports in the server's order.
 * @throws HublineError `unauthorized` or `forbidden` even with a fresh token; `negotiation_failed` for everything else
 */
export async function connect(settings: Settings, attempt: Attempt): Promise<Connected> {
  const { signal, fresh, affinity: hint, step } = attempt;
  const { url: given, accessToken, transports, codec, skipNegotiation } = settings;
  const failures: unknown[] = [];
  try {
    const url = new URL(given, globalThis.location?.href);
    const token = await accessToken?.({ fresh: !!fresh });
    const open = (transport: Transport, where: Pick<OpenRequest, 'url' | 'token'>): Promise<Pipe> => {
      const opening = new AbortController();
      onAbort(signal, () => opening.abort());
      // What is swallowed on the way ends this transport, and the next one has its turn.
      step(() => opening.abort());
      return transport.open({
        ...settings,
        ...attempt,
        ...where,
        signal: opening.signal,
        accessToken: where.token === token ? accessToken : undefined,
      });
    };
    const ask = (where: URL): Promise<Offer> => {
      step();
      return negotiate({ ...settings, url: where, token, signal });
    };
    if (skipNegotiation) return { pipe: await open(transports[0]!, { url, token }) };

    let offer: Offer | undefined = await ask(withAffinity(url, hint));
    for (const { transport: name, transferFormats } of offer.availableTransports) {
      const transport = transports.find((each) => each.name === name);
      if (!transport || !String(transferFormats).toLowerCase().includes(codec.format)) continue;
      // A connection that could not be opened is used up.
      offer ??= await ask(url);
      const { connectionId, connectionToken, negotiateVersion, affinity, token } = offer;
      const target = withAffinity(offer.url, affinity);
      target.searchParams.set('id', (negotiateVersion && connectionToken) || connectionId);
      try {
        return { pipe: await open(transport, { url: target, token }), connectionId, affinity };
      } catch (error) {
        if (signal.aborted || isVerdict(error)) throw error;
        failures.push(error);
        offer = undefined;
      }
    }
  } catch (error) {
    if (isVerdict(error) && accessToken && !fresh) return connect(settings, { ...attempt, fresh: true, affinity: undefined });
    if (isHublineError(error)) throw error;
    failures.push(error);
  }
  throw refusal(failures.map(textOf).join(' ') || 'No transport.', { cause: new AggregateError(failures) });
}
