import { COMBINATIONS, World, type Peer, type WorldOptions } from '@hubline/testing/interop';

/** What a page is asked to show. */
export interface Case extends Omit<WorldOptions, 'peer'> {
  readonly behaviour: string;
}

declare global {
  /** Rejects where the client that this page has loaded does not do it. */
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
