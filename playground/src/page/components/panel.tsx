import { useEffect, useState, useSyncExternalStore, type ReactNode } from 'react';
import type { ClusterMap } from '../../contract.ts';
import { addressOf, hubUrl } from '../address.ts';
import type { Companions } from '../companions.ts';
import type { Session } from '../session.ts';
import { Ask } from './ask.tsx';
import { Chat } from './chat.tsx';
import { Line } from './line.tsx';
import { Rack, Strip } from './rack.tsx';
import { ConnectionLamp } from './connection-lamp.tsx';
import { StreamPanel } from './stream-panel.tsx';
import { ThemeToggle } from './theme-toggle.tsx';

export interface PanelProps {
  readonly session: Session;
  readonly cluster: ClusterMap;
  readonly companions: Companions;
}

const PANES = ['chat', 'cluster', 'ask', 'tab'] as const;

/** Everything at once where there is room; one pane at a time where there is not. */
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
        <ConnectionLamp view={view} />
        <ThemeToggle />
      </header>
      <Strip view={view} cluster={cluster} />
      <Rack view={view} cluster={cluster} companions={companions} onCompanion={addCompanion} />
      <Chat view={view} cluster={cluster} session={session} />
      <div className="tools">
        <Ask view={view} session={session} />
        <StreamPanel view={view} session={session} />
        <Line view={view} cluster={cluster} session={session} />
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
