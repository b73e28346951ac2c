import type { Answer, Shortfall } from '../backplane/index.ts';

/** What several answers lack together. */
export class Shortfalls implements Shortfall {
  readonly #missing = new Set<string>();
  #isBlind = false;

  get missing(): readonly string[] {
    return [...this.#missing];
  }
  get isBlind(): boolean {
    return this.#isBlind;
  }
  /** Everybody was asked. */
  get isNone(): boolean {
    return isComplete(this);
  }
  /** Some could not be asked, and none of them can be named. */
  get isNameless(): boolean {
    return this.#isBlind && this.#missing.size === 0;
  }

  add(nodeId: string): void {
    this.#missing.add(nodeId);
  }

  note({ missing, isBlind }: Shortfall): void {
    for (const nodeId of missing) this.#missing.add(nodeId);
    this.#isBlind ||= isBlind;
  }

  /** The value of an answer, whose shortfall is noted. */
  of<T>(answer: Answer<T>): T {
    this.note(answer);
    return answer.value;
  }

  /** An answer that is made of those whose shortfalls were noted. */
  answer<T>(value: T): Answer<T> {
    return { value, missing: this.missing, isBlind: this.#isBlind };
  }
}

export const isComplete = ({ missing, isBlind }: Shortfall): boolean => missing.length === 0 && !isBlind;
