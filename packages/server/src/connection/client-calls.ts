import { MessageType, type Completion } from '@hubline/protocol';

/** A client's answer; undefined if the client disconnected without one. */
export type ClientAnswer = Completion | undefined;

/** The invocations that this client has not answered yet. */
export class ClientCalls {
  readonly #waiting = new Map<string, (answer: ClientAnswer) => void>();

  get size(): number {
    return this.#waiting.size;
  }

  open(invocationId: string, settle: (answer: ClientAnswer) => void): void {
    this.#waiting.set(invocationId, settle);
  }

  /** Removes an invocation: its answer is then ignored. True if the answer was still awaited. */
  forget(invocationId: string): boolean {
    return this.#waiting.delete(invocationId);
  }

  settle(completion: Completion): void {
    const settle = this.#waiting.get(completion.invocationId);
    this.#waiting.delete(completion.invocationId);
    settle?.(completion);
  }

  /** Settles all open invocations of a disconnected client: without an answer, or with an error if it sent an unreadable message. */
  close(unreadable?: Error): void {
    const waiting = [...this.#waiting];
    this.#waiting.clear();
    for (const [invocationId, settle] of waiting)
      settle(unreadable && { type: MessageType.Completion, invocationId, error: unreadable.message });
  }
}
