import type { Completion } from '@hubline/protocol';

/** How a client answered; undefined: it left. */
export type ClientAnswer = Completion | undefined;

/** What this client was asked and has not answered. */
export class ClientCalls {
  readonly #waiting = new Map<string, (answer: ClientAnswer) => void>();

  get size(): number {
    return this.#waiting.size;
  }

  open(invocationId: string, settle: (answer: ClientAnswer) => void): void {
    this.#waiting.set(invocationId, settle);
  }

  /** The asker has given up; a late answer is ignored. True where one was still awaited. */
  forget(invocationId: string): boolean {
    return this.#waiting.delete(invocationId);
  }

  settle(completion: Completion): void {
    const settle = this.#waiting.get(completion.invocationId);
    this.#waiting.delete(completion.invocationId);
    settle?.(completion);
  }

  /** The client is gone: nobody waits for it any more. */
  close(): void {
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const settle of waiting) settle(undefined);
  }
}
