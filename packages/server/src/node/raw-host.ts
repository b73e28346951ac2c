import { invalidOption } from '@hubline/protocol';
import { RawConnection, type ConnectionOpening, type Identity, type RawConnectionSettings } from '../connection/index.ts';
import { callHook, identityOf, type AcceptOptions, type PathHost } from '../hub/index.ts';
import type { AuthenticationRequest, Origins } from '../transports/index.ts';

export interface ConnectionHandlerOptions extends Omit<AcceptOptions, 'path'> {
  readonly authenticate?:
    | ((request: AuthenticationRequest) => { readonly userId?: string | undefined } | Promise<{ readonly userId?: string | undefined }>)
    | undefined;
  readonly origins?: Origins | undefined;
}

/** Handles one raw connection: when it returns, the connection ends. */
export type ConnectionHandlerFunction = (connection: RawConnection) => void | Promise<void>;

export interface RawHostEnvironment {
  readonly settings: RawConnectionSettings;
  readonly report: (stage: string, error: unknown) => void;
}

/** A path whose connections carry raw data for the program's handler. */
export class RawHost implements PathHost {
  readonly #handler: ConnectionHandlerFunction;
  readonly #authenticate: ConnectionHandlerOptions['authenticate'];
  readonly #settings: RawConnectionSettings;
  readonly #report: RawHostEnvironment['report'];
  readonly #running = new Set<Promise<void>>();

  constructor(handler: ConnectionHandlerFunction, { authenticate }: ConnectionHandlerOptions, { settings, report }: RawHostEnvironment) {
    this.#handler = handler;
    this.#authenticate = authenticate;
    this.#settings = settings;
    this.#report = report;
  }

  async authenticate(request: AuthenticationRequest): Promise<Identity> {
    return callHook('authenticate', this.#report, async () => identityOf(await this.#authenticate?.(request), noAttributes));
  }

  connect(opening: ConnectionOpening): RawConnection {
    const connection = new RawConnection({ ...opening, settings: this.#settings });
    const running = this.#run(connection).finally(() => this.#running.delete(running));
    this.#running.add(running);
    return connection;
  }

  /** Settles when the handlers that run now have returned. */
  finished(): Promise<unknown> {
    return Promise.all(this.#running);
  }

  async #run(connection: RawConnection): Promise<void> {
    try {
      await Promise.resolve(); // the transport is not open yet
      await this.#handler(connection);
      connection.close();
    } catch (error) {
      // The iteration throws the reason of the connection's end, which is no failure of the handler.
      if (error !== connection.signal.reason) this.#report('connection handler', error);
      connection.close({ code: 'internal' });
    }
  }
}

/** Refuses attributes: only hubs declare them. */
function noAttributes(given: object): Identity['attributes'] {
  const [key] = Object.keys(given);
  if (key !== undefined) throw invalidOption(key, 'is an attribute, and a connection handler declares none');
  return {};
}
