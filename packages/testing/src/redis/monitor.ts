import type { Redis } from 'ioredis';

/** A command that Redis executed. */
export interface MonitoredCommand {
  /** The name in capitals. */
  readonly name: string;
  /** The arguments. Bytes that are not printable ASCII are written `\xff`. */
  readonly args: readonly string[];
  /** The address of the connection, `127.0.0.1:40000`. */
  readonly from: string;
  /** The time of execution by the clock of Redis, in milliseconds since 1970. */
  readonly atMs: number;
}

/** Collects the output of MONITOR, which omits commands with passwords. */
export class Monitor implements Disposable {
  readonly #link: Redis;
  readonly #commands: MonitoredCommand[] = [];

  constructor(link: Redis, leftOut: ReadonlySet<number>) {
    this.#link = link;
    link.on('error', () => undefined); // the connection ends with its server
    link.on('monitor', (time: string, [name = '', ...args]: readonly string[], from: string) => {
      if (leftOut.has(Number(from.split(':').at(-1)))) return;
      this.#commands.push({ name: name.toUpperCase(), args, from, atMs: Number(time) * 1000 });
    });
  }

  /** The commands in the order of their execution. A command that was just sent appears a moment later: poll with `until`. */
  get commands(): readonly MonitoredCommand[] {
    return this.#commands;
  }

  [Symbol.dispose](): void {
    this.#link.disconnect();
  }
}
