import { HublineError } from '@hubline/protocol';

/** An unreadable message of the same kind is reported again after this time: a sender of another version would fill every log. */
const AGAIN_MS = 60_000;

/** The most values that are reported one by one. Of further values one is reported per minute. */
const MAX_VALUES = 100;

/** Reports messages and values that cannot be decoded: a message once a minute for each kind and error code, and a value once. */
export class DecodeErrorReporter {
  readonly #report: (stage: 'deliver' | 'read', error: unknown) => void;
  readonly #reportedAt = new Map<string, number>();
  readonly #values = new Set<string>();

  constructor(report: (stage: 'deliver' | 'read', error: unknown) => void) {
    this.#report = report;
  }

  message(kind: 'frame' | 'notice', error: unknown): void {
    if (this.#isDue(`${kind} ${String((error as { readonly code?: unknown }).code)}`)) this.#report('deliver', error);
  }

  /** Reports the value of a key, or of a field of it. */
  value(key: string, field?: string): void {
    const name = field === undefined ? key : `${field} of ${key}`;
    if (this.#values.has(name)) return;
    if (this.#values.size < MAX_VALUES) this.#values.add(name);
    else if (!this.#isDue('value')) return;
    const message = `A value in Redis cannot be decoded, and is ignored: ${name}.`;
    this.#report('read', new HublineError('invalid_message', message, { why: 'unreadable' }));
  }

  #isDue(kind: string): boolean {
    const now = performance.now();
    if (now - (this.#reportedAt.get(kind) ?? Number.NEGATIVE_INFINITY) < AGAIN_MS) return false;
    this.#reportedAt.set(kind, now);
    return true;
  }
}
