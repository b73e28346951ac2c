import type { ReactNode } from 'react';

/** Colour and number say which node: never the colour alone. */
export function Badge({ nodeId }: { readonly nodeId: string }): ReactNode {
  return (
    <span className="badge" data-node={nodeId} title={nodeId}>
      <span aria-hidden>{nodeId.replace(/^node-/, '')}</span>
      <span className="unseen">{nodeId}</span>
    </span>
  );
}
