import type { Answer, Shortfall } from '../backplane/index.ts';

/** Collects the shortfalls of several answers: the missing nodes, and whether any answer was blind. */
export class Shortfalls implements Shortfall {
  readonly #missing = new Set<string>();
  #isBlind = false;

  get missing(): readonly string[] {
    return [...this.#missing];
  }
  get isBlind(): boolean {
    return this.#isBlind;
  }
  /** Whether every node was asked. */
  get isNone(): boolean {
    return isComplete(this);
  }
  /** Whether some nodes could not be asked, and none of them can be named. */
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

  /** Adds the shortfall of an answer, and returns its value. */
  of<T>(answer: Answer<T>): T {
    this.note(answer);
    return answer.value;
  }

  /** An answer with this value and the collected shortfalls. */
  answer<T>(value: T): Answer<T> {
    return { value, missing: this.missing, isBlind: this.#isBlind };
  }
}

export const isComplete = ({ missing, isBlind }: Shortfall): boolean => missing.length === 0 && !isBlind;
