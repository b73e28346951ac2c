import type { World } from './world.ts';

/** A behaviour of every client with every server. `run` throws if they behave differently. */
export interface Behaviour {
  readonly name: string;
  run(world: World): Promise<void>;
}
