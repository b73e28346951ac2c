/**
 * The promise of an operation that a program can forget to await. It never becomes an unhandled rejection: a failure that
 * nothing has been attached to is reported instead, and the process goes on.
 */
class Operation<T> extends Promise<T> {
  /** Derived promises are plain ones: their failures are the program's to handle. */
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

  /** Reports a failure that nothing is attached to when the turn of the event loop ends. */
  reportForgotten(report: (error: unknown) => void): this {
    super.then(undefined, (error: unknown) => {
      setImmediate(() => {
        if (!this.#isAwaited) report(error);
      });
    });
    return this;
  }
}

/** Starts an operation. It rejects with what `work` throws. */
export type Operations = <T>(name: string, work: () => Promise<T>) => Promise<T>;

/** Operations whose forgotten failures are reported under their names. */
export const operationsOf =
  (report: (stage: string, error: unknown) => void): Operations =>
  <T>(name: string, work: () => Promise<T>) =>
    new Operation<T>((resolve, reject) => {
      (async () => work())().then(resolve, reject);
    }).reportForgotten((error) => report(name, error));
