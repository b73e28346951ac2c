import { useState, type ReactNode } from 'react';
import type { NodeAction } from '../../contract.ts';

const LABELS: Readonly<Record<NodeAction, string>> = { start: 'Start', stop: 'Stop', kill: 'Kill' };
/** A node with clients takes seconds to stop, because its streams may end first. */
const BUSY_LABELS: Readonly<Record<NodeAction, string>> = { start: 'Starting', stop: 'Stopping', kill: 'Killing' };

/** Starts, stops or kills a node. The request goes to the server of the page, so it works without a connection to a node. */
export function NodeButton({ nodeId, action }: { readonly nodeId: string; readonly action: NodeAction }): ReactNode {
  const [busy, setBusy] = useState(false);
  const act = async (): Promise<void> => {
    setBusy(true);
    try {
      await fetch(`/nodes/${nodeId}/${action}`, { method: 'POST' });
    } finally {
      setBusy(false);
    }
  };
  return (
    <button className="button power" type="button" disabled={busy} data-action={action} onClick={() => void act()}>
      {(busy ? BUSY_LABELS : LABELS)[action]} <span className="power-node">{nodeId}</span>
    </button>
  );
}
