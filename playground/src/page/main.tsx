import { StrictMode } from 'react';
import { createRoot } from 'react-dom/client';
import type { ClusterMap } from '../contract.ts';
import { readAddress } from './address.ts';
import { App, openSession } from './components/app.tsx';

const root = document.getElementById('root');
if (!root) throw new Error('The page has no #root.');
const response = await fetch('/cluster.json');
const cluster = (await response.json()) as ClusterMap;
const address = readAddress(location.search, cluster);
createRoot(root).render(
  <StrictMode>
    <App cluster={cluster} address={address} {...(address.name ? { session: openSession(cluster, address) } : {})} />
  </StrictMode>,
);
