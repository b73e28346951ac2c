import type { ReactNode } from 'react';

/** Shows a node by its colour and its number, so that the colour is not needed. */
export function Badge({ nodeId }: { readonly nodeId: string }): ReactNode {
  return (
    <span className="badge" data-node={nodeId} title={nodeId}>
      <span aria-hidden>{nodeId.replace(/^node-/, '')}</span>
      <span className="unseen">{nodeId}</span>
    </span>
  );
}
