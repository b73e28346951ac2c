import type { CSSProperties, ReactNode } from 'react';
import type { ClusterMap, NodeStatus, Person } from '../../contract.ts';
import { addressOf, suggestName } from '../address.ts';
import type { Companions } from '../companions.ts';
import type { View } from '../view.ts';
import { Badge } from './badge.tsx';
import { NodeButton } from './node-button.tsx';

export interface ClusterPanelProps {
  readonly view: View;
  readonly cluster: ClusterMap;
  readonly companions: Companions;
  readonly onCompanion: (nodeId: string) => void;
}

/** Shows the backplane, the nodes, and the users connected to each node. */
export function ClusterPanel({ view, cluster, companions, onCompanion }: ClusterPanelProps): ReactNode {
  const { connection, nodes, people, nodeId: ownNode, lastMessage } = view;
  const isLive = connection.name === 'connected';
  const running = cluster.nodes.filter(({ nodeId }) => statusOf(nodes, nodeId) === 'serving').length;
  return (
    <section className="rack" aria-labelledby="rack-title" data-live={isLive}>
      <header className="heading">
        <h2 id="rack-title">Cluster</h2>
        <p className="readout">{isLive ? `${running} of ${cluster.nodes.length} nodes, ${people.size} online` : 'as last seen'}</p>
      </header>
      <ol className="modules">
        {cluster.nodes.map(({ nodeId, port }, index) => {
          const state = stateOf(view, nodeId);
          const here = [...people.values()].filter((person) => person.nodeId === nodeId).sort(byName);
          return (
            <li key={nodeId} className="module" data-node={nodeId} data-state={state} data-own={nodeId === ownNode} aria-label={nodeId}>
              {lastMessage && (
                <MessageAnimation
                  key={lastMessage.id}
                  from={cluster.nodes.findIndex((node) => node.nodeId === lastMessage.nodeId)}
                  to={index}
                />
              )}
              <div className="module-head">
                <Badge nodeId={nodeId} />
                <h3>{nodeId}</h3>
                <span className="readout">:{port}</span>
                <span className="module-state">
                  <span className="led" aria-hidden />
                  {state}
                </span>
              </div>
              <ul className="pins" aria-label={`Connections of ${nodeId}`}>
                {here.map((person) => (
                  <Client key={person.connectionId} person={person} view={view} companions={companions} />
                ))}
                {here.length === 0 && (
                  <li className="empty">
                    {state === 'stopped' ? 'This node is not in the cluster.' : 'No clients are connected to this node.'}
                  </li>
                )}
              </ul>
              <div className="module-foot">
                <NodeButton nodeId={nodeId} action={state === 'serving' ? 'stop' : 'start'} />
                {state === 'serving' && cluster.actions.includes('kill') && <NodeButton nodeId={nodeId} action="kill" />}
                <button
                  className="button"
                  type="button"
                  aria-label="Add companion"
                  disabled={state !== 'serving'}
                  onClick={() => onCompanion(nodeId)}
                >
                  Companion
                </button>
                <a
                  className="button"
                  href={addressOf({ name: '', nodeId, room: view.room })}
                  target="_blank"
                  rel="noreferrer"
                  onClick={(event) => (event.currentTarget.href = addressOf({ name: suggestName(), nodeId, room: view.room }))}
                >
                  Open tab
                </a>
              </div>
            </li>
          );
        })}
      </ol>
    </section>
  );
}

/** Shows the cluster in one line, for narrow windows. */
export function ClusterStrip({ view, cluster }: Pick<ClusterPanelProps, 'view' | 'cluster'>): ReactNode {
  return (
    <ol className="strip" aria-label="Cluster">
      {cluster.nodes.map(({ nodeId }) => (
        <li key={nodeId} data-node={nodeId} data-state={stateOf(view, nodeId)} data-own={nodeId === view.nodeId}>
          <Badge nodeId={nodeId} />
          <span className="count">{[...view.people.values()].filter((person) => person.nodeId === nodeId).length}</span>
          <span className="led" aria-hidden />
          <span className="unseen">{stateOf(view, nodeId)}</span>
        </li>
      ))}
    </ol>
  );
}

/** The state of a node, as far as this tab knows: its own node is `unreachable` without a connection, for whatever reason. */
function stateOf({ connection, nodeId: own, nodes }: View, nodeId: string): NodeStatus['state'] {
  return connection.name !== 'connected' && nodeId === own ? 'unreachable' : statusOf(nodes, nodeId);
}

const statusOf = (nodes: View['nodes'], nodeId: string): NodeStatus['state'] =>
  nodes.find((node) => node.nodeId === nodeId)?.state ?? 'stopped';

const byName = (a: Person, b: Person): number => a.name.localeCompare(b.name);

/** An animation of a message on the backplane. */
function MessageAnimation({ from, to }: { readonly from: number; readonly to: number }): ReactNode {
  const distance = { '--steps': from - to } as CSSProperties;
  return <span className="pulse" style={distance} data-origin={from === to} aria-hidden />;
}

function Client({
  person,
  view: { connection, room },
  companions,
}: {
  readonly person: Person;
  readonly view: View;
  readonly companions: Companions;
}): ReactNode {
  const { name, connectionId } = person;
  const isSelf = connection.name === 'connected' && connection.connectionId === connectionId;
  return (
    <li className="pin" data-self={isSelf} data-near={person.room === room}>
      <span className="pin-name">{name}</span>
      {isSelf && <span className="tag">you</span>}
      {person.companion && <span className="tag">worker</span>}
      <span className="pin-room">{person.room}</span>
      {companions.has(name) && (
        <button className="pin-remove" type="button" aria-label={`Remove ${name}`} onClick={() => companions.remove(name)}>
          ×
        </button>
      )}
    </li>
  );
}
