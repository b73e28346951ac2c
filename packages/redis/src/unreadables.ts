import { HublineError } from '@hubline/protocol';

/** So many values are remembered. */
const MOST = 1000;

/** Values in Redis that no decoder can read: each is reported once. */
export class Unreadables {
  readonly #report: (error: unknown) => void;
  readonly #reported = new Set<string>();

  constructor(report: (error: unknown) => void) {
    this.#report = report;
  }

  add(key: string, field?: string): void {
    const name = field === undefined ? key : `${field} of ${key}`;
    if (this.#reported.has(name)) return;
    if (this.#reported.size >= MOST) this.#reported.clear();
    this.#reported.add(name);
    const message = `A value in Redis cannot be read, and is passed over: ${name}.`;
    this.#report(new HublineError('invalid_message', message, { why: 'unreadable' }));
  }
}
