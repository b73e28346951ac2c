import { COMBINATIONS, type Behaviour, type Combination, type Peer, type ProtocolName, type TransportName } from '@hubline/testing/interop';
import { describe, it } from 'vitest';

export interface Matrix {
  readonly peer: Pick<Peer, 'name' | 'version'>;
  /** The environment, as docs/interop.md names it. */
  readonly where: string;
  readonly differences?: readonly Difference[];
  /** Default all. */
  readonly protocols?: readonly ProtocolName[];
  readonly run: (behaviour: Behaviour, on: Combination) => Promise<void>;
}

/** A behaviour that a client does not have there, with the reason. Its test must fail. */
export interface Difference {
  readonly behaviour: string;
  /** The transports for which this holds. Default all. */
  readonly transports?: readonly TransportName[];
  readonly why: string;
}

/** Defines a test for each behaviour, transport and protocol. `scripts/interop.mjs` reads the titles. */
export function describeMatrix({ peer, where, differences = [], protocols, run }: Matrix): void {
  for (const combination of COMBINATIONS) {
    const { transport, protocol, behaviours } = combination;
    if (protocols && !protocols.includes(protocol)) continue;
    describe(`${peer.name} ${peer.version}, ${where}, ${transport}, ${protocol}`, () => {
      for (const behaviour of behaviours) {
        const { name } = behaviour;
        const difference = differences.find((one) => one.behaviour === name && (one.transports?.includes(transport) ?? true));
        const title = difference ? `does not: ${name} (${difference.why})` : name;
        it(title, { fails: difference !== undefined }, () => run(behaviour, combination));
      }
    });
  }
}
