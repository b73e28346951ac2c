import { useEffect, useState, useSyncExternalStore, type ReactNode } from 'react';
import type { ClusterMap } from '../../contract.ts';
import { addressOf, hubUrl } from '../address.ts';
import type { Companions } from '../companions.ts';
import type { Session } from '../session.ts';
import { Chat } from './chat.tsx';
import { ClusterPanel, ClusterStrip } from './cluster-panel.tsx';
import { ConnectionPanel } from './connection-panel.tsx';
import { ConnectionStatus } from './connection-status.tsx';
import { PollPanel } from './poll-panel.tsx';
import { StreamPanel } from './stream-panel.tsx';
import { ThemeToggle } from './theme-toggle.tsx';

export interface PanelProps {
  readonly session: Session;
  readonly cluster: ClusterMap;
  readonly companions: Companions;
}

const PANES = ['chat', 'cluster', 'ask', 'tab'] as const;

/** Shows all panels of a session; on a narrow screen one at a time. */
export function Panel({ session, cluster, companions }: PanelProps): ReactNode {
  const view = useSyncExternalStore(session.subscribe, () => session.view);
  const [pane, setPane] = useState<(typeof PANES)[number]>('chat');
  const { name, nodeId, room } = view;
  useEffect(() => {
    history.replaceState(null, '', addressOf({ name, nodeId, room }));
    document.title = `${name} on ${nodeId} · Hubline`;
  }, [name, nodeId, room]);

  const addCompanion = (where: string): void => {
    const taken = new Set([...view.people.values()].map((person) => person.name));
    companions.add(hubUrl(cluster, where), { room, taken });
  };
  return (
    <div className="panel" data-pane={pane}>
      <header className="top">
        <h1 className="mark">
          Hubline <span>playground</span>
        </h1>
        <ConnectionStatus view={view} />
        <ThemeToggle />
      </header>
      <ClusterStrip view={view} cluster={cluster} />
      <ClusterPanel view={view} cluster={cluster} companions={companions} onCompanion={addCompanion} />
      <Chat view={view} cluster={cluster} session={session} />
      <div className="tools">
        <PollPanel view={view} session={session} />
        <StreamPanel view={view} session={session} />
        <ConnectionPanel view={view} cluster={cluster} session={session} />
      </div>
      <nav className="panes" aria-label="Panes">
        {PANES.map((each) => (
          <button key={each} type="button" aria-current={each === pane} onClick={() => setPane(each)}>
            {each}
          </button>
        ))}
      </nav>
      {view.problem && (
        <div className="problem" role="alert">
          <span>{view.problem}</span>
          <button className="button" type="button" onClick={() => session.dismissProblem()}>
            Dismiss
          </button>
        </div>
      )}
    </div>
  );
}
