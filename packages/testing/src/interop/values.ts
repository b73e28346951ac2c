import type { Behaviour } from './behaviour.ts';
import { same } from './check.ts';
import type { World } from './world.ts';

const DATES = ['0001-01-01T00:00:00Z', '1969-12-31T23:59:59.999Z', '2038-01-19T03:14:08.001Z', '9999-12-31T23:59:59.999Z'];
const GUIDS = ['00000000-0000-0000-0000-000000000000', 'ffffffff-ffff-ffff-ffff-ffffffffffff'];
const BYTES = Uint8Array.from({ length: 256 }, (_none, at) => at);

/** Values of types that JSON and MessagePack write differently. */
export const VALUES: readonly Behaviour[] = [
  {
    name: 'receives early and late dates with milliseconds unchanged',
    async run(world) {
      for (const date of DATES) await echoes(world, { DateTime: world.protocol === 'json' ? date : new Date(date) });
    },
  },
  {
    name: 'receives bytes of every value, and no bytes, unchanged',
    async run(world) {
      for (const bytes of [BYTES, BYTES.subarray(0, 0)]) {
        await echoes(world, { ByteArray: world.protocol === 'json' ? btoa(String.fromCharCode(...bytes)) : bytes });
      }
    },
  },
  {
    name: 'receives the lowest and the highest GUID unchanged',
    async run(world) {
      for (const guid of GUIDS) await echoes(world, { Guid: guid });
    },
  },
];

/** Sends an object with these members and compares the one that comes back. */
async function echoes(world: World, members: object): Promise<void> {
  const own =
    world.protocol === 'json' ?
      { ByteArray: '', DateTime: '2000-01-01T00:00:00Z' }
    : { ByteArray: Uint8Array.of(), DateTime: new Date('2000-01-01T00:00:00Z') };
  const object = { ...own, Guid: GUIDS[0], IntArray: [], String: '', ...members };
  same(await (await world.started()).invoke('EchoComplexObject', object), object);
}
