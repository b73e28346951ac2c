import type { World } from './world.ts';

/** Something that every client and every server do together. It throws where they do not. */
export interface Behaviour {
  readonly name: string;
  run(world: World): Promise<void>;
}
