import { useEffect, useRef, type ReactNode } from 'react';
import type { ClusterMap } from '../../contract.ts';
import type { Session } from '../session.ts';
import type { View } from '../view.ts';
import { Badge } from './badge.tsx';
import { Time } from './time.tsx';

export interface ConnectionPanelProps {
  readonly view: View;
  readonly cluster: ClusterMap;
  readonly session: Session;
}

/** Shows the node and the past states of this tab's connection, and connects to another node. */
export function ConnectionPanel({ view: { connection, nodeId, log }, cluster, session }: ConnectionPanelProps): ReactNode {
  const lines = useRef<HTMLOListElement>(null);
  const last = log.at(-1)?.id;
  useEffect(() => void lines.current?.scrollTo({ top: lines.current.scrollHeight }), [last]);
  return (
    <section className="tool line" aria-labelledby="line-title">
      <header className="heading">
        <h2 id="line-title">This tab</h2>
        <p className="readout">{connection.name === 'connected' ? (connection.connectionId ?? '') : 'no connection'}</p>
      </header>
      <div className="segments nodes" role="group" aria-label="Node">
        {cluster.nodes.map((node) => (
          <button key={node.nodeId} type="button" aria-pressed={node.nodeId === nodeId} onClick={() => void session.moveTo(node.nodeId)}>
            <Badge nodeId={node.nodeId} />
          </button>
        ))}
      </div>
      <ol className="states" ref={lines} tabIndex={0} aria-label="States of the connection">
        {log.map(({ id, at, state, text }) => (
          <li key={id} data-state={state}>
            <Time at={at} />
            <span className="led" aria-hidden />
            <span>{text}</span>
          </li>
        ))}
      </ol>
    </section>
  );
}
