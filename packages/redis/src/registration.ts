import type { Topic } from '@hubline/server/backplane';
import { everythingIn, watchedIn, watchWritingOf, writingsOf } from './entries.ts';
import type { LinkContext } from './link-context.ts';
import { isRefusal, type Command } from './redis-connection.ts';
import { Session } from './session.ts';
import type { Sweeper } from './sweeper.ts';
import { encodeNode, LEASE } from './values.ts';

export interface RegistrationOptions extends Pick<LinkContext, 'self' | 'local' | 'store' | 'keys' | 'settings'> {
  readonly sweeper: Pick<Sweeper, 'deleteAll'>;
}

export interface Registered {
  readonly version: number;
  readonly watches: ReadonlyMap<Topic, unknown>;
}

/** Begins sessions: writes the whole state of this process under its next incarnation, and its lease last. */
export class Registration {
  readonly #options: RegistrationOptions;
  #n = 0;
  #session: Session;
  /** Whether Redis refused the last attempt. The next one deletes its keys and uses its number again. */
  #isRefused = false;

  constructor(options: RegistrationOptions) {
    this.#options = options;
    this.#session = this.#newSession();
  }

  /** The last session that has begun. The first one has number 1; before it nothing is written. */
  get session(): Session {
    return this.#session;
  }

  /** Begins the next session. @throws HublineError, or WrongTypeError if a key has to be deleted first */
  async begin(registered: Registered): Promise<void> {
    for (;;) {
      if (!this.#isRefused) this.#n++;
      const session = this.#newSession();
      try {
        if (this.#isRefused) await this.#options.sweeper.deleteAll(session.incarnation);
        this.#isRefused = false;
        if (await this.#write(session, registered)) return void (this.#session = session);
      } catch (error) {
        this.#isRefused ||= isRefusal(error);
        throw error;
      }
    }
  }

  /** Writes a session. Returns false if that took longer than the lease, or a master was replaced meanwhile. */
  async #write(session: Session, { version, watches }: Registered): Promise<boolean> {
    const { store, keys, self, local, settings } = this.#options;
    const { incarnation } = session;
    const { redirects } = store;
    await store.run([
      ['set', keys.lease(incarnation), LEASE.registering, 'PX', settings.nodeTimeoutMs],
      ['hset', keys.registry, incarnation, encodeNode(self)],
    ]);
    for (const { before, entries } of writingsOf(everythingIn(local), { keys, incarnation, local })) {
      // In batches that each take less time than the lease and every time limit.
      const renewing = [...entries, session.leaseCommand('registering')];
      if (store.isSingleRedis) await store.run([...before, ...renewing]);
      else for (const commands of [before, renewing]) await store.run(commands);
    }
    const watching = watchWritingOf({ changed: watches.keys(), held: watches, version }, keys, incarnation);
    const last: readonly Command[] = [
      ...watching,
      ['set', keys.flushed(incarnation), version],
      session.markCompleteCommand(),
      ...session.lossCheck(store.tags()),
      session.leaseCommand('alive'),
    ];
    session.renewedAt = performance.now();
    session.watched = watchedIn(watching);
    session.flushed = version;
    return session.isIntact(last, await store.run(last)) && store.redirects === redirects;
  }

  #newSession(): Session {
    const { self, keys, settings } = this.#options;
    return new Session({ process: self.process, n: this.#n, keys, nodeTimeoutMs: settings.nodeTimeoutMs });
  }
}
