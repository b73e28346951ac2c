import { memoryBackplane } from '@hubline/server';
import type { Backplane } from '@hubline/server/backplane';

/** A memory backplane that never acknowledges a change while `isStuck`. */
export function stuckBackplane(isStuck: () => boolean): Backplane {
  const { open: openLink } = memoryBackplane();
  return {
    open(...args) {
      const link = openLink(...args);
      const { directory } = link;
      const changed = directory.changed.bind(directory);
      directory.changed = (change) => (isStuck() ? new Promise(() => undefined) : changed(change));
      return link;
    },
  };
}
