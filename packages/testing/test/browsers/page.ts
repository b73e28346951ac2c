import { COMBINATIONS, World, type Peer, type WorldOptions } from '@hubline/testing/interop';

/** The behaviour that a page has to run. */
export interface Case extends Omit<WorldOptions, 'peer'> {
  readonly behaviour: string;
}

declare global {
  /** Runs a behaviour with the client of this page. Rejects if it fails. */
  var show: (what: Case) => Promise<void>;
}

export function showWith(peer: Peer): void {
  globalThis.show = async ({ behaviour, ...options }) => {
    const found = COMBINATIONS.flatMap(({ behaviours }) => behaviours).find(({ name }) => name === behaviour);
    if (!found) throw new Error(`There is no behaviour "${behaviour}".`);
    const world = new World({ ...options, peer });
    try {
      await found.run(world);
    } finally {
      await world[Symbol.asyncDispose]();
    }
  };
}
