import { HUB_PATH, ROOMS, type ClusterMap } from '../contract.ts';

/** The parameters in the page's address: `?node=node-2&name=ann&room=kitchen`. */
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

/** The URL of a node's hub on the host of the page, whose name the nodes may not know. */
export function hubUrl({ nodes }: ClusterMap, nodeId: string): URL {
  const port = nodes.find((node) => node.nodeId === nodeId)?.port;
  return new URL(`${location.protocol}//${location.hostname}:${port}${HUB_PATH}`);
}

const NAMES =
  'Ann Ben Cleo Dan Eva Finn Gus Hana Ivo June Kai Lena Max Nora Otto Pia Quin Rosa Sam Tess Uma Vera Will Xenia Yara Zoe'.split(' ');

export const suggestName = (): string => NAMES[Math.floor(Math.random() * NAMES.length)] ?? 'Ann';
