import type { Redis } from 'ioredis';

/** A command that a Redis executed. */
export interface MonitoredCommand {
  /** In capitals. */
  readonly name: string;
  /** Bytes that are no printable ASCII are written `\xff`. */
  readonly args: readonly string[];
  /** The connection it came from, `127.0.0.1:40000`. */
  readonly from: string;
  /** When, by Redis's clock, in ms since 1970. */
  readonly atMs: number;
}

/** Collects what MONITOR shows. Commands with passwords are not among it. */
export class Monitor implements Disposable {
  readonly #link: Redis;
  readonly #commands: MonitoredCommand[] = [];

  constructor(link: Redis, leftOut: ReadonlySet<number>) {
    this.#link = link;
    link.on('error', () => undefined); // it ends with its server
    link.on('monitor', (time: string, [name = '', ...args]: readonly string[], from: string) => {
      if (leftOut.has(Number(from.split(':').at(-1)))) return;
      this.#commands.push({ name: name.toUpperCase(), args, from, atMs: Number(time) * 1000 });
    });
  }

  /** In the order of their execution. Those that were just sent come a moment later: `until`. */
  get commands(): readonly MonitoredCommand[] {
    return this.#commands;
  }

  [Symbol.dispose](): void {
    this.#link.disconnect();
  }
}
