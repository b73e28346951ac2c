import { useState, type ReactNode } from 'react';

/** Asks the page's own server, so that it works from a tab whose node is the one that was stopped. */
export function Power({ nodeId, isOn }: { readonly nodeId: string; readonly isOn: boolean }): ReactNode {
  const [busy, setBusy] = useState(false);
  const toggle = async (): Promise<void> => {
    setBusy(true);
    try {
      await fetch(`/nodes/${nodeId}/${isOn ? 'stop' : 'start'}`, { method: 'POST' });
    } finally {
      setBusy(false);
    }
  };
  return (
    <button className="button power" type="button" disabled={busy} data-on={isOn} onClick={() => void toggle()}>
      {isOn ? 'Stop' : 'Start'} <span className="power-node">{nodeId}</span>
    </button>
  );
}
