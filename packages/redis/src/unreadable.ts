import { HublineError } from '@hubline/protocol';

/** A kind of unreadable messages is reported again after this time: a sender of another version would fill every log. */
const AGAIN_MS = 60_000;

/** The most reports that are remembered. */
const MAX_REPORTS = 1000;

/** Reports messages and values that cannot be decoded: messages once a minute for each kind and code, and each value once. */
export class Unreadable {
  readonly #report: (stage: 'deliver' | 'read', error: unknown) => void;
  readonly #reportedAt = new Map<string, number>();

  constructor(report: (stage: 'deliver' | 'read', error: unknown) => void) {
    this.#report = report;
  }

  message(kind: 'frame' | 'notice', error: unknown): void {
    if (this.#isNews(`${kind} ${String((error as { readonly code?: unknown }).code)}`, AGAIN_MS)) this.#report('deliver', error);
  }

  /** A key, or a field of it. */
  value(key: string, field?: string): void {
    const name = field === undefined ? key : `${field} of ${key}`;
    if (!this.#isNews(name, Number.POSITIVE_INFINITY)) return;
    const message = `A value in Redis cannot be read, and is passed over: ${name}.`;
    this.#report('read', new HublineError('invalid_message', message, { why: 'unreadable' }));
  }

  #isNews(name: string, againMs: number): boolean {
    const now = performance.now();
    if (now - (this.#reportedAt.get(name) ?? Number.NEGATIVE_INFINITY) < againMs) return false;
    if (this.#reportedAt.size >= MAX_REPORTS) this.#reportedAt.clear();
    this.#reportedAt.set(name, now);
    return true;
  }
}
