import type { ConnectionState } from '@hubline/client';
import type { CSSProperties, ReactNode } from 'react';
import type { ClusterMap } from '../../contract.ts';
import { NodeButton } from './node-button.tsx';

export interface OutageCardProps {
  readonly state: ConnectionState & { readonly name: 'reconnecting' };
  readonly nodeId: string;
  readonly cluster: ClusterMap;
  readonly onMove: (nodeId: string) => void;
}

/** Shows the next attempt to reconnect, and offers to start the node or to connect to another one. */
export function OutageCard({ state: { attempt, delayMs }, nodeId, cluster, onMove }: OutageCardProps): ReactNode {
  const time = { '--time': `${delayMs}ms` } as CSSProperties;
  return (
    <section className="note" aria-label="Connection lost" style={time}>
      <p className="label">Reconnecting</p>
      <p className="note-text">{nodeId} does not answer.</p>
      <p className="readout" aria-live="off">
        attempt {attempt} in {Math.round(delayMs)} ms
      </p>
      <div className="row">
        <NodeButton nodeId={nodeId} action="start" />
        {cluster.nodes
          .filter((node) => node.nodeId !== nodeId)
          .map((node) => (
            <button key={node.nodeId} className="button" type="button" onClick={() => onMove(node.nodeId)}>
              Move to {node.nodeId}
            </button>
          ))}
      </div>
      <span key={attempt} className="note-time" aria-hidden />
    </section>
  );
}
