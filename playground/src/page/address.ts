import { HUB_PATH, ROOMS, type ClusterMap } from '../contract.ts';

/** What the page's address says: `?node=node-2&name=ann&room=kitchen`. */
export interface Address {
  readonly name: string;
  readonly nodeId: string;
  readonly room: string;
}

export function readAddress(search: string, { nodes }: ClusterMap): Address {
  const query = new URLSearchParams(search);
  const asked = query.get('node');
  const nodeId = nodes.find((node) => node.nodeId === asked) ?? nodes[Math.floor(Math.random() * nodes.length)];
  return { name: query.get('name')?.trim().slice(0, 24) ?? '', nodeId: nodeId?.nodeId ?? '', room: query.get('room') ?? ROOMS[0] };
}

export function addressOf({ name, nodeId, room }: Address): string {
  return `?${new URLSearchParams({ node: nodeId, ...(name ? { name } : {}), room })}`;
}

/** On the host of the page: it may be reached by another name than the nodes know. */
export function hubUrl({ nodes }: ClusterMap, nodeId: string): URL {
  const port = nodes.find((node) => node.nodeId === nodeId)?.port;
  return new URL(`${location.protocol}//${location.hostname}:${port}${HUB_PATH}`);
}

const NAMES =
  'Ann Ben Cleo Dan Eva Finn Gus Hana Ivo June Kai Lena Max Nora Otto Pia Quin Rosa Sam Tess Uma Vera Will Xenia Yara Zoe'.split(' ');

export const suggestName = (): string => NAMES[Math.floor(Math.random() * NAMES.length)] ?? 'Ann';
