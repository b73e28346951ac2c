const SLAB_BYTES = 64 * 1024;

/**
 * Allocates buffers from larger slabs. A small buffer of Node's shared pool would keep 8 KiB alive; kept frames are dropped in the order
 * in which they were made, so that their slabs are freed too.
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
