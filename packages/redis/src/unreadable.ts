import { HublineError } from '@hubline/protocol';

/** A kind of unreadable messages is reported again after this time: a sender of another version would fill every log. */
const AGAIN_MS = 60_000;

/** The most values that are reported one by one. Beyond that one of them is reported a minute. */
const MAX_VALUES = 100;

/** Reports messages and values that cannot be decoded: messages once a minute for each kind and code, and each value once. */
export class Unreadable {
  readonly #report: (stage: 'deliver' | 'read', error: unknown) => void;
  readonly #reportedAt = new Map<string, number>();
  readonly #values = new Set<string>();

  constructor(report: (stage: 'deliver' | 'read', error: unknown) => void) {
    this.#report = report;
  }

  message(kind: 'frame' | 'notice', error: unknown): void {
    if (this.#isNews(`${kind} ${String((error as { readonly code?: unknown }).code)}`)) this.#report('deliver', error);
  }

  /** A key, or a field of it. */
  value(key: string, field?: string): void {
    const name = field === undefined ? key : `${field} of ${key}`;
    if (this.#values.has(name)) return;
    if (this.#values.size < MAX_VALUES) this.#values.add(name);
    else if (!this.#isNews('value')) return;
    const message = `A value in Redis cannot be read, and is passed over: ${name}.`;
    this.#report('read', new HublineError('invalid_message', message, { why: 'unreadable' }));
  }

  #isNews(kind: string): boolean {
    const now = performance.now();
    if (now - (this.#reportedAt.get(kind) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return false;
    this.#reportedAt.set(kind, now);
    return true;
  }
}
