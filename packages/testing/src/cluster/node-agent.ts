/**
 * Preloaded into each node of `startCluster`. At the signal SIGUSR2 it reads its folder: the file `block` blocks the event loop until the file
 * is removed, and `skew` has the milliseconds by which `Date` is wrong. It confirms what it did in `done`.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.env.HUBLINE_NODE_FOLDER;
const RealDate = Date;
let skewMs = 0;

class SkewedDate extends RealDate {
  constructor(...args: ConstructorParameters<typeof RealDate> | []) {
    if (args.length === 0) super(RealDate.now() + skewMs);
    else super(...args);
  }
  static override now(): number {
    return RealDate.now() + skewMs;
  }
}

if (folder !== undefined) {
  process.on('SIGUSR2', () => {
    const [block, skew, done] = ['block', 'skew', 'done'].map((name) => join(folder, name)) as [string, string, string];
    if (existsSync(skew)) {
      const text = readFileSync(skew, 'utf8');
      skewMs = Number(text);
      // Replaced at the first skew only, so that the nodes of other tests have the real one.
      globalThis.Date = SkewedDate as DateConstructor;
      writeFileSync(done, `skew ${text}`);
    }
    if (!existsSync(block)) return;
    writeFileSync(done, 'block');
    const cell = new Int32Array(new SharedArrayBuffer(4));
    while (existsSync(block)) Atomics.wait(cell, 0, 0, POLL_MS); // blocks without using the processor
  });
}

const POLL_MS = 5;
