/** The promises of docs/guarantees.md in a class of situations. */
export interface Promises {
  /** Whether a message may be missing if the receiver's node reports a gap. */
  readonly gaps: 'allowed' | 'forbidden';
  /** Whether every complete answer about presence is right, or only the last one. */
  readonly presence: 'always' | 'at the end';
  /** Words of docs/guarantees.md. */
  readonly source: string;
}

/** The promises by situation. A history with several faults has the weakest of theirs. */
export const SITUATIONS = {
  calm: {
    gaps: 'forbidden',
    presence: 'always',
    source: 'Messages of one sender to one topic arrive once and in order.',
  },
  /** Clients disconnect and reconnect: offline, reloaded, or moved by a drained node. */
  clients: {
    gaps: 'forbidden',
    presence: 'at the end',
    source: 'Connects and disconnects never make the count of the remaining connections wrong',
  },
  /** Redis is stopped, restarted empty, paused or flushed, or a link is cut, within the limits of repair and of the buffer. */
  outage: {
    gaps: 'forbidden',
    presence: 'at the end',
    source: 'A confirmed message arrives while its sender runs, or is reported as a gap.',
  },
  /** An outage beyond `repairMs`, `repairBytes`, `bufferMs` or `bufferBytes`. */
  longOutage: {
    gaps: 'allowed',
    presence: 'at the end',
    source: 'A message that cannot be repaired is reported as a gap.',
  },
  /** A node is frozen, or its event loop is blocked, for less than its lease. */
  frozen: {
    gaps: 'forbidden',
    presence: 'at the end',
    source: 'A node that is frozen for less than its lease loses no message, and no other node reports it as lost.',
  },
  /** A node is frozen or cut off for longer than its lease. */
  expired: {
    gaps: 'allowed',
    presence: 'at the end',
    source: 'A node that was declared dead by mistake recovers completely without help, and reports the gap.',
  },
  killed: {
    gaps: 'allowed',
    presence: 'at the end',
    source: 'No answer contains a killed node when its lease has ended.',
  },
} as const satisfies Record<string, Promises>;

export type Situation = keyof typeof SITUATIONS;

/** Returns the promises that hold in all of these situations. */
export function promisesIn(situations: readonly Situation[]): Omit<Promises, 'source'> {
  const all: readonly Promises[] = situations.map((name) => SITUATIONS[name]);
  return {
    gaps: all.some(({ gaps }) => gaps === 'allowed') ? 'allowed' : 'forbidden',
    presence: all.some(({ presence }) => presence === 'at the end') ? 'at the end' : 'always',
  };
}
