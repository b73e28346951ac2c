import type { Topic } from '@hubline/server/backplane';
import type { Incarnation, Keys } from './keys.ts';
import type { Command } from './redis-connection.ts';
import type { Store } from './store.ts';

export interface MissingEntriesOptions {
  readonly keys: Keys;
  readonly store: Pick<Store, 'listeners'>;
  readonly read: (commands: readonly Command[]) => Promise<readonly unknown[]>;
}

/** A topic, and an incarnation that has members there. */
export interface TopicOfIncarnation {
  readonly topic: Topic;
  readonly incarnation: Incarnation;
}

/** The number of checks, and the pause between them: during a write an entry is missing for a moment. */
const TRIES = 4;
const PAUSE_MS = 25;

/** Finds keys of topics that are missing in Redis, by comparing them with other keys. */
export class MissingEntries {
  readonly #options: MissingEntriesOptions;

  constructor(options: MissingEntriesOptions) {
    this.#options = options;
  }

  /**
   * Returns the incarnations that have members of uncounted topics by their index, so that their counts are missing. Only topics with
   * subscribers are checked, because nodes subscribe to the topics of their members.
   */
  async counts(topics: readonly Topic[], incarnations: readonly Incarnation[]): Promise<readonly Incarnation[]> {
    if (topics.length === 0) return [];
    const { keys, store } = this.#options;
    const listeners = await store.listeners(topics.map((topic) => keys.channel(topic)));
    const subscribed = topics.filter((_topic, i) => Number(listeners[i]) > 0);
    return this.#remaining(
      subscribed.flatMap((topic) => incarnations.map((incarnation) => ({ topic, incarnation }))),
      async (pairs) => {
        const listed = await this.#options.read(
          pairs.map(({ topic, incarnation }): Command => ['zscore', keys.topics(incarnation), topic]),
        );
        const counted = await this.#options.read(
          pairs.map(({ topic, incarnation }): Command => ['hmget', keys.counts(topic), incarnation]),
        );
        return pairs.filter((_each, i) => listed[i] !== null && first(counted[i]) === null);
      },
    );
  }

  /** Returns the incarnations that are counted in a topic, and have no members there, in all checks. */
  async members(pairs: readonly TopicOfIncarnation[]): Promise<readonly Incarnation[]> {
    const { keys, read } = this.#options;
    return this.#remaining(pairs, async (left) => {
      const answers = await read(
        left.flatMap(({ topic, incarnation }): readonly Command[] => [
          ['hmget', keys.counts(topic), incarnation],
          ['zcard', keys.members(topic, incarnation)],
        ]),
      );
      return left.filter((_each, i) => first(answers[2 * i]) !== null && answers[2 * i + 1] === 0);
    });
  }

  async #remaining(
    suspected: readonly TopicOfIncarnation[],
    check: (pairs: readonly TopicOfIncarnation[]) => Promise<readonly TopicOfIncarnation[]>,
  ): Promise<readonly Incarnation[]> {
    let left = suspected;
    for (let tries = 0; tries < TRIES && left.length > 0; tries++) {
      if (tries > 0) await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      left = await check(left);
    }
    return left.map(({ incarnation }) => incarnation);
  }
}

const first = (answer: unknown): unknown => (Array.isArray(answer) ? (answer[0] as unknown) : undefined);
