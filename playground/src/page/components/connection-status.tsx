import type { ReactNode } from 'react';
import type { View } from '../view.ts';
import { Badge } from './badge.tsx';

/** Shows the state of this tab's connection in one line. */
export function ConnectionStatus({ view: { connection, nodeId, name } }: { readonly view: View }): ReactNode {
  return (
    <div className="lamp" data-state={connection.name} role="status" data-testid="connection">
      <span className="led" aria-hidden />
      <strong>{connection.name}</strong>
      <Badge nodeId={nodeId} />
      <span className="lamp-name">{name}</span>
      <span className="lamp-detail">
        {connection.name === 'reconnecting' && `attempt ${connection.attempt}, in ${(connection.delayMs / 1000).toFixed(1)} s`}
        {connection.name === 'connecting' && connection.attempt > 0 && `attempt ${connection.attempt + 1}`}
      </span>
    </div>
  );
}
