const SLAB_BYTES = 64 * 1024;

/**
 * Cuts buffers from slabs of its own. A small buffer of Node's shared pool keeps 8 KiB alive for as long as it is kept itself;
 * frames that are kept for repair are dropped in the order in which they were made, so that their slabs are dropped too.
 */
export class Slab {
  #bytes = Buffer.alloc(0);
  #used = 0;

  readonly allocate = (length: number): Buffer => {
    if (length > SLAB_BYTES / 4) return Buffer.allocUnsafeSlow(length);
    if (this.#used + length > this.#bytes.length) {
      this.#bytes = Buffer.allocUnsafeSlow(SLAB_BYTES);
      this.#used = 0;
    }
    const cut = this.#bytes.subarray(this.#used, this.#used + length);
    this.#used += length;
    return cut;
  };
}
