import { isIPv4, isIPv6 } from 'node:net';

/**
 * Returns the address by which connections are counted: an IPv4 address, or the /64 of an IPv6 address, the smallest network of one
 * customer. Drops a port that a proxy has added, and returns any other text unchanged.
 */
export function addressKey(address: string | undefined): string {
  const bare = withoutPort((address ?? '').trim().toLowerCase());
  if (!isIPv6(bare)) return bare.slice(0, 255);
  const groups = groupsOf(bare);
  const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
  if (isMapped) return [6, 7].flatMap((at) => [(groups[at] ?? 0) >> 8, (groups[at] ?? 0) & 255]).join('.');
  return `${groups
    .slice(0, 4)
    .map((group) => group.toString(16))
    .join(':')}::/64`;
}

/** `1.2.3.4:5`, `[::1]:5`, `[::1]`, `fe80::1%eth0`. */
function withoutPort(address: string): string {
  const [, bracketed, plain] = /^\[([^\]]+)\](?::\d+)?$|^([^:]+):\d+$/.exec(address) ?? [];
  return (bracketed ?? (plain !== undefined && isIPv4(plain) ? plain : address)).replace(/%.*$/, '');
}

/** Returns the eight groups of an IPv6 address. */
function groupsOf(address: string): number[] {
  const [front = '', back] = dotted(address).split('::');
  const parts = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)));
  const [head, tail] = [parts(front), parts(back ?? '')];
  return back === undefined ? head : [...head, ...Array<number>(8 - head.length - tail.length).fill(0), ...tail];
}

/** Rewrites the last 32 bits as two groups, if they are written as an IPv4 address. */
function dotted(address: string): string {
  const [quad] = /\d+\.\d+\.\d+\.\d+$/.exec(address) ?? [];
  if (quad === undefined) return address;
  const [a = 0, b = 0, c = 0, d = 0] = quad.split('.').map(Number);
  return `${address.slice(0, -quad.length)}${((a << 8) | b).toString(16)}:${((c << 8) | d).toString(16)}`;
}
