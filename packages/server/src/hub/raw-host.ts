import { invalidOption } from '@hubline/protocol';
import type { Identity, RawConnection } from '../connection/index.ts';
import type { AuthenticationRequest, Origins } from '../transports/index.ts';
import type { AcceptOptions } from './connection-acceptor.ts';
import { beforeConnecting } from './failures.ts';
import { identityOf } from './identity.ts';

export interface ConnectionHandlerOptions extends Omit<AcceptOptions, 'path'> {
  readonly authenticate?: (request: AuthenticationRequest) => { readonly userId?: string } | Promise<{ readonly userId?: string }>;
  readonly origins?: Origins;
}

/** Lives as long as the connection: when it returns, the connection ends. */
export type ConnectionHandlerFunction = (connection: RawConnection) => void | Promise<void>;

/** A path whose connections carry what the program likes. */
export class RawHost {
  readonly #handler: ConnectionHandlerFunction;
  readonly #authenticate: ConnectionHandlerOptions['authenticate'];
  readonly #report: (stage: string, error: unknown) => void;
  readonly #running = new Set<Promise<void>>();

  constructor(
    handler: ConnectionHandlerFunction,
    { authenticate }: ConnectionHandlerOptions,
    report: (stage: string, error: unknown) => void,
  ) {
    this.#handler = handler;
    this.#authenticate = authenticate;
    this.#report = report;
  }

  async authenticate(request: AuthenticationRequest): Promise<Identity> {
    return beforeConnecting('authenticate', this.#report, async () => identityOf(await this.#authenticate?.(request), noAttributes));
  }

  /** Settles when the handlers that run now have returned. */
  left(): Promise<unknown> {
    return Promise.all(this.#running);
  }

  run(connection: RawConnection): void {
    const running = this.#run(connection).finally(() => this.#running.delete(running));
    this.#running.add(running);
  }

  async #run(connection: RawConnection): Promise<void> {
    try {
      await Promise.resolve(); // the transport is still being opened
      await this.#handler(connection);
      connection.close();
    } catch (error) {
      // Iterating tells the handler that the pipe broke: that is no failure of its own.
      if (error !== connection.signal.reason) this.#report('connection handler', error);
      connection.close({ code: 'failed' });
    }
  }
}

/** Attributes are declared by hubs. */
function noAttributes(given: object): Identity['attributes'] {
  const [key] = Object.keys(given);
  if (key !== undefined) throw invalidOption(key, 'is an attribute, and a connection handler declares none');
  return {};
}
