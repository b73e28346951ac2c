/**
 * The promise of an operation that a program may forget to await. Its failure is never an unhandled rejection: if the program has not
 * attached a handler, it is reported instead.
 */
class Operation<T> extends Promise<T> {
  /** Derived promises are plain ones: the program handles their failures. */
  static override get [Symbol.species](): PromiseConstructor {
    return Promise;
  }

  #isAwaited = false;

  override then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    this.#isAwaited = true;
    return super.then(onFulfilled, onRejected);
  }

  /** Reports a failure to which no handler is attached when the turn of the event loop ends. */
  reportForgotten(report: (error: unknown) => void): this {
    super.then(undefined, (error: unknown) => {
      setImmediate(() => {
        if (!this.#isAwaited) report(error);
      });
    });
    return this;
  }
}

/** Starts an operation. It rejects with the error of `work`. */
export type Operations = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** Creates a function that starts operations, and reports forgotten failures under their names. */
export const operationsOf =
  (report: (stage: string, error: unknown) => void): Operations =>
  <T>(name: string, work: () => Promise<T>) =>
    new Operation<T>((resolve, reject) => {
      (async () => work())().then(resolve, reject);
    }).reportForgotten((error) => report(name, error));
