import type { LinkContext } from './link-context.ts';
import { encodeNotice, NOTICES, type Notice } from './notice.ts';
import type { Registration } from './registration.ts';

export interface NoticePublisherOptions extends Pick<LinkContext, 'store' | 'keys' | 'status' | 'observer'> {
  readonly registration: Pick<Registration, 'session'>;
}

type WithoutIncarnation<N> = N extends Notice ? Omit<N, 'incarnation'> : never;

/** Publishes notices of this node's present session, ahead of waiting messages. */
export class NoticePublisher {
  readonly #options: NoticePublisherOptions;

  constructor(options: NoticePublisherOptions) {
    this.#options = options;
  }

  /** Resolves when Redis has acknowledged the notice. @throws HublineError `backplane_unavailable` */
  async publish(notice: WithoutIncarnation<Notice>): Promise<void> {
    const { store, keys, registration } = this.#options;
    const { incarnation } = registration.session;
    await store.publish([[keys.channel(NOTICES), encodeNotice({ ...notice, incarnation })]]);
  }

  /** Publishes a notice without waiting. A failure while the link is up is reported. */
  send(notice: WithoutIncarnation<Notice>): void {
    this.publish(notice).catch((error: unknown) => {
      const { status, observer } = this.#options;
      if (status.isUp) observer.report('publish', error);
    });
  }
}
