import type { IncomingCall } from './incoming-call.ts';

/**
 * The calls of a client that have not ended. Arrays, because most clients have a few calls that come and go: a Map or a Set would
 * allocate a table for every few calls, and such tables made young collections take 6 ms instead of 0.4.
 */
export class OpenCalls {
  #plain: IncomingCall[] = [];
  /** Calls with streams: there may be many, and each grant of credit looks for one. */
  #streaming: IncomingCall[] = [];
  #streamingById: Map<string, IncomingCall> | undefined;

  get size(): number {
    return this.#plain.length + this.#streaming.length;
  }

  get streaming(): readonly IncomingCall[] {
    return this.#streaming;
  }

  /** Returns the call with this invocation id, whose client waits for a completion. */
  get(id: string): IncomingCall | undefined {
    return this.#streamingById?.get(id) ?? this.#plain.find((call) => call.id === id);
  }

  add(call: IncomingCall): void {
    if (!call.isStreaming) return void this.#plain.push(call);
    this.#streaming.push(call);
    if (call.id !== undefined) (this.#streamingById ??= new Map<string, IncomingCall>()).set(call.id, call);
  }

  delete(call: IncomingCall): void {
    const calls = call.isStreaming ? this.#streaming : this.#plain;
    const at = calls.indexOf(call);
    if (at < 0) return;
    const last = calls.pop()!;
    if (last !== call) calls[at] = last;
    if (call.isStreaming && call.id !== undefined) this.#streamingById?.delete(call.id);
  }

  /** Removes all calls, and returns them. */
  clear(): readonly IncomingCall[] {
    const calls = [...this.#plain, ...this.#streaming];
    this.#plain = [];
    this.#streaming = [];
    this.#streamingById = undefined;
    return calls;
  }
}
