import { HublineError } from '@hubline/protocol';
import type { NodeInfo } from '@hubline/server/backplane';
import type { LinkContext } from './link-context.ts';
import { DEFAULT_PREFIX } from './options.ts';

export type ConfigurationCheckOptions = Pick<LinkContext, 'self' | 'store' | 'settings' | 'observer'>;

/** Warns once of each setting that endangers Hubline's guarantees. */
export class ConfigurationCheck {
  readonly #options: ConfigurationCheckOptions;
  #isMemoryChecked = false;
  #isAppChecked = false;

  constructor(options: ConfigurationCheckOptions) {
    this.#options = options;
  }

  /** Warns of a Redis that evicts keys: leases have an expiry time, so that many policies evict them first. */
  async checkMemory(): Promise<void> {
    if (this.#isMemoryChecked) return;
    this.#isMemoryChecked = true;
    const answers = await this.#options.store.memory().catch(() => []); // the link reports a closed connection
    const policies = answers.flatMap((text) => /^maxmemory_policy:(\S+)/m.exec(text)?.[1] ?? []);
    const evicting = policies.find((policy) => policy !== 'noeviction');
    if (evicting) this.#warn(`Redis has the maxmemory-policy ${evicting}, and may evict keys of Hubline. Set noeviction.`);
  }

  /** Warns of another application with the default prefix: applications may share a hub by mistake. */
  checkApp({ app }: NodeInfo): void {
    const { self, settings } = this.#options;
    if (this.#isAppChecked || settings.prefix !== DEFAULT_PREFIX || app === self.app) return;
    this.#isAppChecked = true;
    this.#warn(
      `The applications ${self.app} and ${app} share the default prefix, and so all hubs with the same name. Set a prefix for each of them, or the same one for both.`,
    );
  }

  #warn(message: string): void {
    this.#options.observer.report('setup', new HublineError('internal', message, {}));
  }
}
