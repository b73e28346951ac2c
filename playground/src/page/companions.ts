import type { CompanionOptions } from './companion.ts';

const NAMES = 'wren finch heron kestrel plover siskin dunlin avocet curlew merlin osprey linnet'.split(' ');

/** The companions of this tab. Each is a client in its own Web Worker. They end with the tab. */
export class Companions {
  readonly #workers = new Map<string, Worker>();

  has(name: string): boolean {
    return this.#workers.has(name);
  }

  add(hubUrl: URL, { room, taken }: { readonly room: string; readonly taken: ReadonlySet<string> }): void {
    const free = NAMES.filter((candidate) => !taken.has(candidate) && !this.#workers.has(candidate));
    const name = free[Math.floor(Math.random() * free.length)] ?? `wren-${this.#workers.size}`;
    const url = new URL(hubUrl);
    url.searchParams.set('name', name);
    url.searchParams.set('companion', '');
    const worker = new Worker(new URL('./companion.ts', import.meta.url), { type: 'module', name });
    worker.postMessage({ url: url.href, name, room } satisfies CompanionOptions);
    this.#workers.set(name, worker);
  }

  /** Removes a companion without a Close message: the node sees the socket close. */
  remove(name: string): void {
    this.#workers.get(name)?.terminate();
    this.#workers.delete(name);
  }
}
