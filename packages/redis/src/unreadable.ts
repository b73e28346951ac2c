/** An error of one kind is reported again after this time. */
const AGAIN_MS = 60_000;

/** Reports unreadable input once per kind and code: a sender of another version would fill every log. */
export class Unreadable {
  readonly #report: (error: unknown) => void;
  readonly #reportedAt = new Map<string, number>();

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  found(kind: 'frame' | 'notice', error: unknown): void {
    const key = `${kind} ${String((error as { readonly code?: unknown }).code)}`;
    const now = performance.now();
    if (now - (this.#reportedAt.get(key) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return;
    this.#reportedAt.set(key, now);
    this.#report(error);
  }
}
