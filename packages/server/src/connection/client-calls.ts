import { MessageType, type Completion } from '@hubline/protocol';

/** A client's answer; undefined if the client disconnected without one. */
export type ClientAnswer = Completion | undefined;

/** The invocations that this client has not answered yet. */
export class ClientCalls {
  /** Undefined while there are none: most connections are idle, and a Map that empties and fills again leaves tables for the collector. */
  #waiting: Map<string, (answer: ClientAnswer) => void> | undefined;

  get size(): number {
    return this.#waiting?.size ?? 0;
  }

  open(invocationId: string, settle: (answer: ClientAnswer) => void): void {
    this.#waiting ??= new Map<string, (answer: ClientAnswer) => void>();
    this.#waiting.set(invocationId, settle);
  }

  /** Removes an invocation: its answer is then ignored. True if the answer was still awaited. */
  forget(invocationId: string): boolean {
    const wasWaiting = this.#waiting?.delete(invocationId) ?? false;
    if (this.#waiting?.size === 0) this.#waiting = undefined;
    return wasWaiting;
  }

  settle(completion: Completion): void {
    const settle = this.#waiting?.get(completion.invocationId);
    this.forget(completion.invocationId);
    settle?.(completion);
  }

  /** Settles all open invocations of a disconnected client: without an answer, or with an error if it sent an unreadable message. */
  close(unreadable?: Error): void {
    const waiting = this.#waiting ?? [];
    this.#waiting = undefined;
    for (const [invocationId, settle] of waiting)
      settle(unreadable && { type: MessageType.Completion, invocationId, error: unreadable.message });
  }
}
