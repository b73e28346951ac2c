import { useState, type ReactNode } from 'react';
import type { NodeAction } from '../../contract.ts';

const LABELS: Readonly<Record<NodeAction, string>> = { start: 'Start', stop: 'Stop', kill: 'Kill' };
/** A node with clients takes seconds to stop: its streams may end first. */
const ON_ITS_WAY: Readonly<Record<NodeAction, string>> = { start: 'Starting', stop: 'Stopping', kill: 'Killing' };

/** Asks the page's own server, so that it works from a tab whose node is the one that was stopped. */
export function Power({ nodeId, action }: { readonly nodeId: string; readonly action: NodeAction }): ReactNode {
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
      {(busy ? ON_ITS_WAY : LABELS)[action]} <span className="power-node">{nodeId}</span>
    </button>
  );
}
