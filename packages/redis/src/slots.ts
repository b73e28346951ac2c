import type { RedisAddress } from './options.ts';

export const SLOTS = 16_384;

/** Returns the slot of a key: CRC-16/XMODEM of the text in its first braces or, without braces, of the key (https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/). */
export function slotOf(key: string): number {
  const start = key.indexOf('{');
  const end = start < 0 ? -1 : key.indexOf('}', start + 1);
  const hashed = Buffer.from(end > start + 1 ? key.slice(start + 1, end) : key);
  let crc = 0;
  for (const byte of hashed) crc = ((crc << 8) & 0xff_ff) ^ CRC[(crc >> 8) ^ byte]!;
  return crc % SLOTS;
}

const CRC = Uint16Array.from({ length: 256 }, (_, byte) => {
  let crc = byte << 8;
  for (let bit = 0; bit < 8; bit++) crc = crc & 0x80_00 ? (crc << 1) ^ 0x10_21 : crc << 1;
  return crc & 0xff_ff;
});

/** `host:port` */
export type Address = string;

export const addressOf = ({ host, port }: RedisAddress): Address => `${host}:${port}`;
export function parseAddress(address: Address): RedisAddress {
  const colon = address.lastIndexOf(':');
  return { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
}

/** The assignment of slots to masters at one moment. */
export class SlotMap {
  readonly #owners: (Address | undefined)[] = Array.from({ length: SLOTS });
  readonly masters: ReadonlySet<Address>;
  /** For each master a decimal number whose text hashes to one of its slots. */
  readonly tags: ReadonlyMap<Address, string>;

  /** Decodes the reply to CLUSTER SLOTS: from, to, master, replicas. A master without a host is the node that was asked. */
  constructor(reply: unknown, asked: RedisAddress) {
    for (const [from, to, [host, port]] of reply as readonly (readonly [number, number, readonly [string | null, number]])[]) {
      this.#owners.fill(addressOf({ host: host || asked.host, port }), from, to + 1);
    }
    this.masters = new Set(this.#owners.filter((owner) => owner !== undefined));
    const tags = new Map<Address, string>();
    for (let tag = 0; tags.size < this.masters.size; tag++) {
      const owner = this.#owners[slotOf(`{${tag}}`)];
      if (owner !== undefined && !tags.has(owner)) tags.set(owner, String(tag));
    }
    this.tags = tags;
  }

  get isWhole(): boolean {
    return this.masters.size > 0 && !this.#owners.includes(undefined);
  }

  equals(other: SlotMap): boolean {
    return this.#owners.every((owner, slot) => owner === other.#owners[slot]);
  }

  ownerOf(key: string): Address | undefined {
    return this.#owners[slotOf(key)];
  }
  slotsOf(address: Address): readonly number[] {
    return this.#owners.flatMap((owner, slot) => (owner === address ? slot : []));
  }
}
