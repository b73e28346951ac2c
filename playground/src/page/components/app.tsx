import { useState, type ReactNode } from 'react';
import type { ClusterMap } from '../../contract.ts';
import { addressOf, hubUrl, type Address } from '../address.ts';
import { Companions } from '../companions.ts';
import { Session } from '../session.ts';
import { Panel } from './panel.tsx';
import { ThemeToggle } from './theme-toggle.tsx';
import { Welcome } from './welcome.tsx';

export interface AppProps {
  readonly cluster: ClusterMap;
  readonly address: Address;
  /** The session of the user named in the page's address. */
  readonly session?: Session;
}

export function openSession(cluster: ClusterMap, address: Address): Session {
  history.replaceState(null, '', addressOf(address));
  return new Session({ ...address, hubUrl: (nodeId) => hubUrl(cluster, nodeId) });
}

export function App({ cluster, address, session: first }: AppProps): ReactNode {
  const [session, setSession] = useState(first);
  const [companions] = useState(() => new Companions());
  return session ?
      <Panel session={session} cluster={cluster} companions={companions} />
    : <div className="entrance">
        <ThemeToggle />
        <Welcome cluster={cluster} address={address} onEnter={(chosen) => setSession(openSession(cluster, chosen))} />
      </div>;
}
