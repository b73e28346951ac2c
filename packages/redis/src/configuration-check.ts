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

  /** A Redis that evicts keys takes leases first, and nodes with them. */
  async checkMemory(): Promise<void> {
    if (this.#isMemoryChecked) return;
    this.#isMemoryChecked = true;
    const answers = await this.#options.store.memory().catch(() => []); // the loss of the connection is reported elsewhere
    const policies = answers.flatMap((text) => /^maxmemory_policy:(\S+)/m.exec(text)?.[1] ?? []);
    const evicting = policies.find((policy) => policy !== 'noeviction');
    if (evicting) this.#warn(`Redis has the maxmemory-policy ${evicting}, and may evict what nodes have written. Set noeviction.`);
  }

  /** Applications that share a hub choose a prefix together; with the default they may share it by mistake. */
  checkApp({ app }: NodeInfo): void {
    const { self, settings } = this.#options;
    if (this.#isAppChecked || settings.prefix !== DEFAULT_PREFIX || app === self.app) return;
    this.#isAppChecked = true;
    this.#warn(
      `The applications ${self.app} and ${app} share the default prefix, and with it every hub of one name. Give each a prefix, or both one.`,
    );
  }

  #warn(message: string): void {
    this.#options.observer.report('setup', new HublineError('internal', message, {}));
  }
}
