import { useState, type FormEvent, type ReactNode } from 'react';
import type { ClusterMap } from '../../contract.ts';
import { suggestName, type Address } from '../address.ts';
import { Badge } from './badge.tsx';

export interface WelcomeProps {
  readonly cluster: ClusterMap;
  readonly address: Address;
  readonly onEnter: (chosen: Address) => void;
}

export function Welcome({ cluster, address, onEnter }: WelcomeProps): ReactNode {
  const [name, setName] = useState(() => address.name || suggestName());
  const [nodeId, setNodeId] = useState(address.nodeId);
  const submit = (event: FormEvent): void => {
    event.preventDefault();
    if (name.trim()) onEnter({ ...address, name: name.trim(), nodeId });
  };
  return (
    <form className="welcome" onSubmit={submit}>
      <h1 className="mark">Hubline</h1>
      <p className="lead">
        Three nodes form one cluster. Each tab is a client of one node. Open several tabs on different nodes: they share rooms, messages and
        presence.
      </p>
      <label className="field">
        <span className="label">Your name</span>
        <input value={name} maxLength={24} required autoFocus onChange={(event) => setName(event.target.value)} />
      </label>
      <fieldset className="field">
        <legend className="label">Connect to</legend>
        <div className="choices">
          {cluster.nodes.map((node) => (
            <label key={node.nodeId} className="choice" data-node={node.nodeId}>
              <input
                type="radio"
                name="node"
                value={node.nodeId}
                checked={node.nodeId === nodeId}
                onChange={() => setNodeId(node.nodeId)}
              />
              <Badge nodeId={node.nodeId} />
              <span className="choice-port">:{node.port}</span>
            </label>
          ))}
        </div>
      </fieldset>
      <button className="button primary" type="submit">
        Connect
      </button>
    </form>
  );
}
