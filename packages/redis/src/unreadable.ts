import { HublineError } from '@hubline/protocol';

/** An error of one kind is reported again after this time. */
const AGAIN_MS = 60_000;

/** The most values that are remembered as reported. */
const MAX_VALUES = 1000;

/** Reports messages that cannot be decoded, once per kind and code: a sender of another version would fill every log. */
export class UnreadableMessages {
  readonly #report: (error: unknown) => void;
  readonly #reportedAt = new Map<string, number>();

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  add(kind: 'frame' | 'notice', error: unknown): void {
    const key = `${kind} ${String((error as { readonly code?: unknown }).code)}`;
    const now = performance.now();
    if (now - (this.#reportedAt.get(key) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return;
    this.#reportedAt.set(key, now);
    this.#report(error);
  }
}

/** Reports values in Redis that no decoder can read, each one once. */
export class UnreadableValues {
  readonly #report: (error: unknown) => void;
  readonly #reported = new Set<string>();

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  add(key: string, field?: string): void {
    const name = field === undefined ? key : `${field} of ${key}`;
    if (this.#reported.has(name)) return;
    if (this.#reported.size >= MAX_VALUES) this.#reported.clear();
    this.#reported.add(name);
    const message = `A value in Redis cannot be read, and is passed over: ${name}.`;
    this.#report(new HublineError('invalid_message', message, { why: 'unreadable' }));
  }
}
