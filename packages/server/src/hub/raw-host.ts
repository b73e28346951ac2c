import type { CloseReason, Identity, RawConnection } from '../connection/index.ts';
import type { ClientRequest, Origins } from '../transports/index.ts';
import type { DoorOptions } from './doorman.ts';

export interface ConnectionHandlerOptions extends Omit<DoorOptions, 'path'> {
  readonly authenticate?: (request: ClientRequest) => { readonly userId?: string } | Promise<{ readonly userId?: string }>;
  readonly origins?: Origins;
}

/** Lives as long as the connection: when it returns, the connection ends. */
export type ConnectionHandlerFunction = (connection: RawConnection) => void | Promise<void>;

/** A path whose connections carry what the program likes. */
export class RawHost {
  readonly #handler: ConnectionHandlerFunction;
  readonly #authenticate: ConnectionHandlerOptions['authenticate'];
  readonly #report: (stage: string, error: unknown) => void;
  readonly #open = new Set<RawConnection>();

  constructor(
    handler: ConnectionHandlerFunction,
    { authenticate }: ConnectionHandlerOptions,
    report: (stage: string, error: unknown) => void,
  ) {
    this.#handler = handler;
    this.#authenticate = authenticate;
    this.#report = report;
  }

  async authenticate(request: ClientRequest): Promise<Identity> {
    return { ...(await this.#authenticate?.(request)), attributes: {} };
  }

  connections(): readonly { close(reason: CloseReason): void }[] {
    return [...this.#open];
  }

  run(connection: RawConnection): void {
    this.#open.add(connection);
    connection.signal.addEventListener('abort', () => this.#open.delete(connection));
    void this.#run(connection);
  }

  async #run(connection: RawConnection): Promise<void> {
    try {
      await this.#handler(connection);
      connection.close();
    } catch (error) {
      this.#report('connection handler', error);
      connection.close({ code: 'failed' });
    }
  }
}
